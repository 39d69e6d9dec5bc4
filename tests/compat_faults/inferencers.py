"""Inferencers."""

import json
from pathlib import Path

from .registry import fault
from .toys import build_inferencer, write_video


@fault('AssertionError: logits')
def give_probabilities(folder: Path) -> None:
    video = write_video(folder / 'video.mp4')
    scores = build_inferencer('ActionRecogInferencer')(video)['predictions'][0]['pred_scores']
    assert min(scores) >= 0 and abs(sum(scores) - 1) < 1e-5, 'logits'
    (scores,) = build_inferencer()(video)['predictions'][0]['rec_scores']
    assert min(scores) >= 0 and abs(sum(scores) - 1) < 1e-5


@fault("KeyError: 'pred_names'")
def name_classes(folder: Path) -> None:
    import torch

    video = write_video(folder / 'video.mp4')
    result = build_inferencer('ActionRecogInferencer')(video)['predictions'][0]
    assert result['pred_names'] == [['push', 'pull', 'lift'][result['pred_labels'][0]]]

    (folder / 'names.txt').write_text('A\nB\nC')
    inferencer = build_inferencer('ActionRecogInferencer', label_file=str(folder / 'names.txt'))
    assert inferencer(video)['predictions'][0]['pred_names'][0] in 'ABC'
    assert inferencer.visualizer.dataset_meta['classes'] == ['A', 'B', 'C']

    meta = dict(dataset_meta=dict(classes=['x', 'y', 'z']))
    torch.save(dict(state_dict=inferencer.model.state_dict(), meta=meta), folder / 'checkpoint.pth')
    inferencer = build_inferencer('ActionRecogInferencer', weights=str(folder / 'checkpoint.pth'))
    assert inferencer(video)['predictions'][0]['pred_names'][0] in 'xyz'


@fault('AssertionError: 1 of 2 videos drawn')
def draw_all_videos(folder: Path) -> None:

    videos = [write_video(folder / f'{name}.mp4') for name in 'ab']
    result = build_inferencer()(videos, return_vis=True, pred_out_file=str(folder / 'out.json'))
    assert len(result['visualization']) == 2, f'{len(result["visualization"])} of 2 videos drawn'
    written = json.loads((folder / 'out.json').read_text())['predictions']
    assert written == result['predictions'] and all(len(entry['rec_names'][0]) == 1 for entry in written)
