"""Boxes of an object detector are extracted from videos and read by the pipeline."""

import json
import os
import runpy
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from video_cases import VIDEOS, encode

from dyreg_mmaction.datasets.boxes import LoadBoxes
from dyreg_mmaction.datasets.video import VideoDecode, VideoInit

TOOL = Path(__file__).parents[3] / 'tools/data/extract_boxes.py'
LENGTHS = dict(a=5, b=3, c=4)


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(TOOL))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    """A small RT-DETR with random weights, saved like released checkpoints."""
    transformers = pytest.importorskip('transformers', reason='transformers is not installed')
    torch.manual_seed(0)
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], layer_type='basic',
        out_features=['stage2', 'stage3', 'stage4'],
    )  # fmt: skip
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[16, 16, 16], encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16, num_queries=20,
        decoder_attention_heads=2, decoder_layers=1, num_denoising=0, num_labels=4,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp('rtdetr')
    transformers.RTDetrForObjectDetection(config).save_pretrained(folder)
    transformers.RTDetrImageProcessor(size=dict(height=64, width=64)).save_pretrained(folder)
    return folder


@pytest.fixture
def videos(tmp_path) -> Path:
    """Three videos of noise, 96 x 72, in the order c, a, b."""
    rng = np.random.default_rng(0)
    for name, length in LENGTHS.items():
        writer = cv2.VideoWriter(str(tmp_path / f'{name}.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 12, (96, 72))
        for frame in rng.integers(0, 255, (length, 72, 96, 3), dtype=np.uint8):
            writer.write(frame)
        writer.release()
    (tmp_path / 'list.txt').write_text('c.avi 0\na.avi 1\nb.avi 2\n')
    return tmp_path


def run(monkeypatch, videos, detector, *options):
    out = videos / 'boxes'
    args = [TOOL, videos / 'list.txt', videos, out, '--detector', detector, '--min-score', 0, '--workers', 0]
    args += ['--every', 1, *options]
    monkeypatch.setattr(sys, 'argv', list(map(str, args)))
    runpy.run_path(str(TOOL), run_name='__main__')
    return out


@pytest.mark.slow
def test_files_can_be_read_by_the_pipeline(monkeypatch, videos, checkpoint):
    out = run(monkeypatch, videos, checkpoint, '--batch-size', 2, '--top', 6)
    for name, length in LENGTHS.items():
        frames = json.loads((out / f'{name}.json').read_text())[name]
        assert [frame['name'] for frame in frames] == [f'{name}/{n:04}.jpg' for n in range(1, length + 1)]
        for frame in frames:
            assert (frame['width'], frame['height'], len(frame['labels'])) == (96, 72, 6)
            scores = [label['score'] for label in frame['labels']]
            assert scores == sorted(scores, reverse=True)
    sample = dict(filename='a.avi', frame_inds=np.array([0, 4]), start_index=0, clip_len=1, num_clips=2)
    sample.update(img_shape=(72, 96), original_shape=(72, 96))
    boxes = LoadBoxes(6, str(out))(sample)['boxes']
    best = json.loads((out / 'a.json').read_text())['a'][0]['labels'][0]['box2d']
    assert boxes.shape == (1, 2, 6, 4)
    expected = [best['x1'] / 96, best['y1'] / 72, best['x2'] / 96, best['y2'] / 72]
    assert np.abs(boxes[0, 0] - expected).max(-1).min() < 1e-6


@pytest.mark.slow
def test_same_command_writes_only_missing_files(monkeypatch, videos, checkpoint):
    out = run(monkeypatch, videos, checkpoint)
    before = {path.name: path.read_text() for path in out.iterdir()}
    (out / 'a.json').unlink()
    os.utime(out / 'b.json', (1, 1))
    run(monkeypatch, videos, checkpoint, '--batch-size', 3)
    assert (out / 'b.json').stat().st_mtime == 1
    assert {path.name for path in out.iterdir()} == set(before)
    remade = json.loads((out / 'a.json').read_text())['a']
    for frame, old in zip(remade, json.loads(before['a.json'])['a'], strict=True):
        for label, other in zip(frame['labels'], old['labels'], strict=True):
            assert label['box2d'] == pytest.approx(other['box2d'], abs=0.1)


@pytest.mark.slow
def test_damaged_video_is_reported_and_others_are_done(monkeypatch, videos, checkpoint, capsys):
    (videos / 'a.avi').write_bytes(b'no video')
    with pytest.raises(SystemExit, match='1 of 3 videos could not be decoded'):
        run(monkeypatch, videos, checkpoint)
    assert 'a.avi: ' in capsys.readouterr().err
    assert {path.stem for path in (videos / 'boxes').glob('?.json')} == {'b', 'c'}


def test_folder_of_another_detector_raises_an_error(tool, tmp_path):
    from argparse import Namespace

    args = Namespace(out=tmp_path / 'boxes', detector='one', top=9, min_score=0.1, every=1)
    tool['claim'](args)
    tool['claim'](args)
    args.detector = 'two'
    with pytest.raises(SystemExit, match='contains boxes made with .*one.*; choose another folder'):
        tool['claim'](args)


def test_lines_with_many_labels_and_repeated_videos(tool, tmp_path):
    (tmp_path / 'list.txt').write_text('a/1.mp4 3 5 7\n\nb/2.mp4 0\nc/3.mp4\na/1.mp4 2\n')
    assert tool['read_names'](tmp_path / 'list.txt') == ['a/1.mp4', 'b/2.mp4', 'c/3.mp4']


def test_videos_with_the_same_key_raise_an_error(monkeypatch, videos):
    (videos / 'list.txt').write_text('a/1.mp4 0\na/2.mp4 1\na/1.avi 2\n')
    with pytest.raises(SystemExit, match="a/1.mp4 and a/1.avi, which would share the boxes of video 'a/1'; rename"):
        run(monkeypatch, videos, 'none')
    assert not (videos / 'boxes').exists()


def test_videos_of_the_same_name_in_two_folders(tool, tmp_path):
    (tmp_path / 'list.txt').write_text('a/1.mp4 0\nb/1.mp4 1\n1.mp4 2\n')
    out = tmp_path / 'boxes'
    out.mkdir()
    for place, name in enumerate(tool['read_names'](tmp_path / 'list.txt')):
        box = dict(zip(('x1', 'y1', 'x2', 'y2'), (place, 0, place + 9, 9), strict=True))
        found = tool['annotate'](name, np.zeros((1, 20, 20, 3), np.uint8), 1, 1, lambda _, b=box: [[dict(box2d=b)]])
        tool['write'](tool['target'](out, name), found)
    for place, name in enumerate(('/data/a/1.mp4', 'data/b/1.mp4', 'data/1.mp4')):
        sample = dict(filename=name, frame_inds=np.array([0]), start_index=0, clip_len=1, num_clips=1)
        boxes = LoadBoxes(1, str(out))(dict(sample, img_shape=(20, 20)))['boxes']
        assert boxes[0, 0, 0].tolist() == pytest.approx([place / 20, 0, (place + 9) / 20, 9 / 20])


@pytest.mark.parametrize('line', ['my a.avi 0', 'a.avi cat', 'a.avi,0'])
def test_name_with_spaces_needs_a_tab(tool, tmp_path, line):
    path = tmp_path / 'list.txt'
    path.write_text(f'b.avi 1\n{line}\n')
    if line == 'a.avi,0':
        assert tool['read_names'](path) == ['b.avi', 'a.avi,0']  # missing videos are listed at the end
        return
    with pytest.raises(SystemExit, match=f"list.txt has '{line}': labels must be integers"):
        tool['read_names'](path)
    path.write_text('my a.avi\t0\nb.avi 1\n')
    assert tool['read_names'](path) == ['my a.avi', 'b.avi']


def test_empty_list_raises_an_error(monkeypatch, videos):
    (videos / 'list.txt').write_text('\n')
    with pytest.raises(SystemExit, match='list.txt is empty'):
        run(monkeypatch, videos, 'none')
    (videos / 'list.txt').unlink()
    with pytest.raises(SystemExit, match='list.txt does not exist'):
        run(monkeypatch, videos, 'none')


@pytest.mark.parametrize('text', ['0/2', '3/2', '2', '1/0', 'a/b', '-1/2'])
def test_invalid_shard_raises_an_error(monkeypatch, videos, text, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, videos, 'none', f'--shard={text}')
    assert 'must be I/N with I from 1 to N, such as 2/8' in capsys.readouterr().err


def test_missing_network_raises_an_error_at_once(monkeypatch, videos, tmp_path):
    """Requests go to a closed port, as on a machine without network."""
    import huggingface_hub

    monkeypatch.setenv('HF_HUB_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(huggingface_hub.constants, 'ENDPOINT', 'http://127.0.0.1:9')
    monkeypatch.setattr(huggingface_hub.hf_api.api, 'endpoint', 'http://127.0.0.1:9')
    start = time.monotonic()
    with pytest.raises(
        SystemExit, match=r'cannot be downloaded .*; on a machine with network access run `hf download some/model'
    ):
        run(monkeypatch, videos, 'some/model')
    assert time.monotonic() - start < 15


@pytest.mark.slow
def test_shards_and_half_precision(monkeypatch, videos, checkpoint, capsys):
    monkeypatch.setitem(os.environ, 'HF_HUB_OFFLINE', '1')
    run(monkeypatch, videos, checkpoint, '--shard', '1/2')
    assert {path.stem for path in (videos / 'boxes').glob('?.json')} == {'c', 'b'}
    out = run(monkeypatch, videos, checkpoint, '--shard', '2/2', '--half')
    assert {path.stem for path in out.glob('?.json')} == {'a', 'b', 'c'}
    halves = json.loads((out / 'a.json').read_text())['a']
    (videos / 'boxes').rename(videos / 'half')
    wholes = json.loads((run(monkeypatch, videos, checkpoint) / 'a.json').read_text())['a']
    assert halves != wholes
    for half, whole in zip(halves, wholes, strict=True):
        assert half['labels'][0]['score'] == pytest.approx(whole['labels'][0]['score'], abs=0.05)


@pytest.mark.slow
def test_progress_is_printed(monkeypatch, videos, checkpoint, capsys):
    run(monkeypatch, videos, checkpoint)
    assert 'Detecting objects in videos: 3/3 (100%)' in capsys.readouterr().err


def test_only_every_nth_frame_is_decoded(tool, videos):
    (_, every, _), (_, third, error) = (tool['Videos'](videos, ['a.avi'], step)[0] for step in (1, 3))
    assert error is None and len(every) == LENGTHS['a']
    np.testing.assert_array_equal(third, every[::3])


@pytest.mark.slow
def test_boxes_of_every_nth_frame_equal_those_of_all_frames(monkeypatch, videos, checkpoint):
    every = json.loads((run(monkeypatch, videos, checkpoint) / 'a.json').read_text())['a']
    (videos / 'boxes').rename(videos / 'all')
    third = json.loads((run(monkeypatch, videos, checkpoint, '--every', 3) / 'a.json').read_text())['a']
    assert [frame['name'] for frame in third] == ['a/0001.jpg', 'a/0004.jpg']
    for frame, same in zip(third, every[::3], strict=True):
        best, other = frame['labels'][0]['box2d'], same['labels'][0]['box2d']
        assert best == pytest.approx(other, abs=0.1)


@pytest.mark.slow
def test_boxes_are_those_of_the_model_in_pixels(tool, checkpoint):
    import transformers

    frames = np.random.default_rng(0).integers(0, 255, (2, 72, 96, 3), dtype=np.uint8)
    found = tool['load_hugging_face'](str(checkpoint), 6, 0.0, torch.device('cpu'))(frames)
    inputs = transformers.RTDetrImageProcessor.from_pretrained(checkpoint)(list(frames), return_tensors='pt')
    with torch.inference_mode():
        predicted = transformers.RTDetrForObjectDetection.from_pretrained(checkpoint).eval()(**inputs).pred_boxes
    center, size = predicted.numpy()[..., :2], predicted.numpy()[..., 2:]  # in 0..1
    expected = np.concatenate([center - size / 2, center + size / 2], -1) * [96, 72, 96, 72]  # (frames, queries, 4)
    for labels, boxes in zip(found, expected, strict=True):
        assert len(labels) == 6
        for label in labels:
            assert np.abs(boxes - list(label['box2d'].values())).max(-1).min() < 0.02


def test_every_nth_frame_keeps_its_number(tool):
    seen = []

    def detect(frames):
        seen.append(len(frames))
        return [[] for _ in frames]

    frames = np.zeros((5, 4, 6, 3), np.uint8)
    annotated = tool['annotate']('folder/v.webm', frames, every=3, batch_size=2, detect=detect)['folder/v']
    assert [frame['name'] for frame in annotated] == [f'folder/v/{n:04}.jpg' for n in (1, 4, 7, 10, 13)]
    assert seen == [2, 2, 1]


def test_boxes_are_sorted_by_score(tool):
    result = dict(
        scores=torch.tensor([0.1, 0.9, 0.5]), labels=torch.tensor([0, 1, 7]), boxes=torch.arange(12.0).reshape(3, 4)
    )
    best, second = tool['detections'](result, {0: 'cup', 1: 'hand'}, top=2)
    assert best == dict(box2d=dict(x1=4, y1=5, x2=6, y2=7), category='hand', score=0.9)
    assert second['category'] == '7' and second['score'] == 0.5


@pytest.mark.parametrize(
    'detector, package, advice',
    [
        ('some/checkpoint', 'transformers', 'pip install transformers'),
        ('fasterrcnn_resnet50_fpn', 'torchvision', 'needs a torchvision built for torch'),
    ],
)
def test_missing_package_raises_an_error(monkeypatch, videos, detector, package, advice):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f'{package}.models.detection', None)
    with pytest.raises(SystemExit, match=advice):
        run(monkeypatch, videos, detector)


def test_faster_rcnn(tool, monkeypatch):
    try:
        import torchvision.models.detection as detection
    except (ImportError, RuntimeError):
        pytest.skip('no torchvision that fits this torch')
    stock = detection.fasterrcnn_resnet50_fpn
    monkeypatch.setattr(  # nothing is downloaded
        detection, 'fasterrcnn_resnet50_fpn', lambda weights, **options: stock(weights_backbone=None, **options)
    )
    detect = tool['load_faster_rcnn']('fasterrcnn_resnet50_fpn', 9, 0.0, torch.device('cpu'))
    (labels,) = detect(np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), dtype=np.uint8))
    assert all(0 <= label['box2d']['x1'] <= 64 for label in labels)


@pytest.mark.parametrize('name', ['rotated 90', 'trimmed', '10 bits, VP9', 'shown before their keyframe', 'plain'])
def test_boxes_are_independent_of_the_decoder(tool, tmp_path, name):
    path = VIDEOS[name][0](tmp_path)
    for decoder, other in (('decord', 'pyav'), ('pyav', 'decord')):
        _, seen, error = tool['Videos'](tmp_path, [path.name], 3, decoder)[0]
        assert error is None
        results = VideoInit(other)(dict(filename=str(path)))
        results['frame_inds'] = np.arange(0, results['total_frames'], 3)
        assert np.abs(np.array(VideoDecode()(results)['imgs'], int) - seen).max() <= 8
        annotated = tool['annotate'](path.name, seen, 3, 16, lambda frames: [[] for _ in frames])[path.stem]
        assert (annotated[0]['height'], annotated[0]['width']) == results['video_reader'].read(np.array([0]))[0].shape[
            :2
        ]


def test_av1_needs_another_decoder_than_decord(tool, tmp_path):
    encode(tmp_path / 'a.mp4', 'libsvtav1', '-preset', 12, size='64x64')
    assert "decoder='pyav'" in tool['Videos'](tmp_path, ['a.mp4'], 3, 'decord')[0][2]
    assert tool['Videos'](tmp_path, ['a.mp4'], 3, 'pyav')[0][1].shape == (7, 64, 64, 3)
