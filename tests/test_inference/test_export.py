"""A recogniser as one file: the same logits for any number of clips, and all that is needed to feed it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config

from dyreg_mmaction.inference import RegionInferencer
from dyreg_mmaction.inference.export import describe_input, export, run

ROOT = Path(__file__).parents[2]
MINI = ROOT / 'configs/tsm_r18_dyreg_mini.py'


def recognizer(name):
    """A small model whose plugins do something."""
    cfg = Config.fromfile(MINI)
    if name == 'I3D':
        cfg = Config.fromfile(ROOT / 'configs/i3d_r50_dyreg_sthv1.py')
        cfg.model.backbone.update(pretrained=None, base_channels=4, plugins=cfg.model.backbone.plugins[1:2])
        cfg.model.cls_head.in_channels = 128
    torch.manual_seed(0)
    model = init_recognizer(cfg, device='cpu')
    model.cls_head.fc_cls.weight.data.normal_()
    for plugin in model.backbone.plugins.values():
        torch.nn.init.normal_(plugin.norm.weight)
        torch.nn.init.normal_(plugin.regions.predictor.alpha)
    return model


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('suffix', ['.onnx', '.pt2'])
@pytest.mark.parametrize('name, size', [('TSM', 64), ('TSM', 72), ('I3D', 64)])
def test_the_same_logits_for_any_number_of_clips(name, size, suffix, tmp_path):
    if suffix == '.onnx':
        pytest.importorskip('onnxscript', minversion='0.7.1')
        pytest.importorskip('onnxruntime')
    model = recognizer(name)
    description = describe_input(model.cfg, size)
    assert export(model, description, tmp_path / f'model{suffix}') < 1e-4
    clips = torch.randn(3, description['frames'], 3, size, size)
    assert run(tmp_path / f'model{suffix}', clips).shape == (3, len(description['classes']))
    assert json.loads((tmp_path / 'model.json').read_text()) == description


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_the_example_says_of_a_video_what_the_model_says(tmp_path):
    pytest.importorskip('onnxscript', minversion='0.7.1')
    pytest.importorskip('onnxruntime')
    model = recognizer('TSM')
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), tmp_path / 'checkpoint.pth')
    writer = cv2.VideoWriter(str(tmp_path / 'video.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 72))
    for frame in np.random.default_rng(0).integers(0, 255, (20, 9, 12, 3), np.uint8):
        writer.write(frame.repeat(8, 0).repeat(8, 1))
    writer.release()
    for command in ('export_model.py {0} checkpoint.pth model.onnx', 'run_exported.py model.onnx video.mp4'):
        tool, *arguments = command.format(MINI).split()
        path = [sys.executable, str(ROOT / 'tools' / tool), *arguments]
        done = subprocess.run(path, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    score, _, name = done.stdout.splitlines()[0].partition('  ')
    inferencer = RegionInferencer(MINI, str(tmp_path / 'checkpoint.pth'), device='cpu')
    (expected,) = inferencer(tmp_path / 'video.mp4')['predictions']
    assert [name] == expected['pred_names']
    assert float(score) == pytest.approx(max(expected['pred_scores']), abs=0.02)  # another decoder


@pytest.mark.parametrize('arguments, words', [((), 'usage: '), (('no.onnx', 'v.mp4'), 'must be there, side by side')])
def test_mistakes_of_the_example_get_a_sentence(arguments, words, tmp_path):
    pytest.importorskip('onnxruntime')
    command = [sys.executable, str(ROOT / 'tools/run_exported.py'), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and words in done.stderr and 'Traceback' not in done.stderr


def test_mistakes_get_a_sentence(tmp_path):
    cfg = Config.fromfile(MINI)
    with pytest.raises(ValueError, match=r"'model.pth' must end in .onnx \(ONNX\) or .pt2"):
        export(torch.nn.Identity(), describe_input(cfg), tmp_path / 'model.pth')
    cfg.val_dataloader.dataset.pipeline = [dict(type='DecordInit'), dict(type='SampleFrames', clip_len=1)]
    with pytest.raises(ValueError, match='has DecordInit, SampleFrames, but must have'):
        describe_input(cfg)


def test_what_is_written_of_the_input():
    description = describe_input(Config.fromfile(ROOT / 'configs/tsm_r50_dyreg_sthv2.py'), 256)
    assert [description[key] for key in ('frames', 'short_side', 'size')] == [16, 256, 256]
    assert description['mean'] == [123.675, 116.28, 103.53] and len(description['classes']) == 174
    assert describe_input(Config.fromfile(ROOT / 'configs/i3d_r50_dyreg_sthv1.py'))['frames'] == 16
