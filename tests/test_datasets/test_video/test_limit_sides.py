"""Frames of any aspect ratio and their boxes in the pipelines of our configs."""

import json
import re
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.datasets import LimitSides, WithBoxes

CONFIGS = Path(__file__).parents[3] / 'configs'
# width and height, from 1:3 to 3:1
SIZES = [(48, 144), (60, 80), (64, 64), (82, 80), (80, 60), (144, 48)]
FRAMES = 12


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def box(width, height):
    """Return a centered box with half the side of the shorter side of the frame."""
    side = min(width, height) // 4
    return [width // 2 - side, height // 2 - side, width // 2 + side, height // 2 + side]


def drawn(width, height):
    frame = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = box(width, height)
    frame[y1:y2, x1:x2] = 255
    return frame


# configs with their own decoding pipelines or crops; all others inherit theirs
DECODING = sorted(path for path in CONFIGS.rglob('*.py') if re.search(r'Decode|pipeline\[', path.read_text()))


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    """A clip of each size, as a video and as frames, and a file with its boxes."""
    folder, clips, boxes = tmp_path_factory.mktemp('clips'), {}, {}
    for width, height in SIZES:
        name = f'{width}x{height}'
        (folder / name).mkdir()
        with av.open(str(folder / f'{name}.mp4'), 'w') as file:
            stream = file.add_stream('mpeg4', rate=12, width=width, height=height, pix_fmt='yuv420p')
            for number in range(FRAMES):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(drawn(width, height), format='rgb24')))
                cv2.imwrite(str(folder / name / f'{number + 1:05}.jpg'), drawn(width, height))
            file.mux(stream.encode())
        sides = dict(zip(('x1', 'y1', 'x2', 'y2'), map(float, box(width, height)), strict=True))
        boxes[name] = [
            dict(name=f'{name}/{number + 1:04}.jpg', labels=[dict(box2d=sides)], width=width, height=height)
            for number in range(FRAMES)
        ]
        common = dict(label=0, modality='RGB', total_frames=FRAMES, filename_tmpl='{:05}.jpg')
        clips[width, height] = (
            dict(common, filename=str(folder / f'{name}.mp4'), start_index=0, acting=np.array([True])),
            dict(common, frame_dir=str(folder / name), start_index=1, offset=0),
        )
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    return clips, str(folder / 'boxes.json')


def build(pipeline, boxes):
    steps = [dict(step, ann_file=boxes) if 'ann_file' in step else dict(step) for step in pipeline]
    return Compose(steps)


@pytest.mark.parametrize('path', DECODING, ids=[path.stem for path in DECODING])
def test_pipelines_of_all_configs_accept_any_aspect_ratio(path, clips):
    clips, boxes = clips
    cfg = Config.fromfile(path, format_python_code=False)
    for loader in ('train', 'val', 'test'):
        pipeline = cfg[f'{loader}_dataloader'].dataset.pipeline
        run, reads_frames = build(pipeline, boxes), 'RawFrameDecode' in str(pipeline)
        shapes = set()
        for video, frames in clips.values():
            np.random.seed(0)
            sample = run(dict(frames if reads_frames else video))
            shapes.add(tuple(sample['inputs'].shape))
            for key in {'boxes', 'objects'} & set(sample['data_samples'].keys()):
                assert_drawn(sample['inputs'].numpy(), np.asarray(sample['data_samples'].get(key)))
        ((*_, height, width),) = shapes
        assert min(height, width) >= 64


def assert_drawn(inputs, boxes):
    """Check that the first box of (clips, T, K, 4) is drawn in frames (clips * T, C, H, W) or (clips, C, T, H, W)."""
    frames = inputs if inputs.ndim == 4 else inputs.swapaxes(1, 2).reshape(-1, *np.array(inputs.shape)[[1, 3, 4]])
    boxes = boxes[:, :, 0].reshape(-1, 4)
    assert len(frames) == len(boxes)
    for frame, box in zip(frames, boxes, strict=True):
        height, width = frame.shape[1:]
        x1, y1, x2, y2 = np.clip(box, 0, 1) * [width, height, width, height]
        rows, columns = np.nonzero(frame[0] > 127)
        if len(rows):
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(seen, [x1, y1, x2, y2], atol=3.5)
        else:  # a crop at one side
            assert x2 - x1 < 3.5 or y2 - y1 < 3.5


@pytest.mark.parametrize(
    ('size', 'crop'),
    [
        ((96, 72), [8, 4, 88, 68]),
        ((72, 96), [4, 8, 68, 88]),
        ((72, 72), [0, 4, 72, 68]),
        ((216, 72), [68, 4, 148, 68]),
        ((50, 40), [0, 0, 50, 40]),
    ],
)
def test_sides_are_limited_in_landscape_and_portrait(size, crop):
    results = LimitSides(64, 80)(dict(imgs=[drawn(*size)], img_shape=size[::-1]))
    assert results['crop_bbox'].tolist() == crop
    x1, y1, x2, y2 = crop
    assert results['img_shape'] == results['imgs'][0].shape[:2] == (y2 - y1, x2 - x1)
    np.testing.assert_array_equal(results['imgs'][0], drawn(*size)[y1:y2, x1:x2])


@pytest.mark.parametrize('size', SIZES)
def test_boxes_are_cropped_like_frames(size):
    whole = np.array(box(*size)) / [*size, *size]
    results = dict(imgs=[drawn(*size)], img_shape=size[::-1], boxes=whole[None, None, None])
    results = WithBoxes([dict(type='LimitSides', short_side=40, long_side=56)])(results)
    frame = results['imgs'][0].transpose(2, 0, 1)[None]
    rows, columns = np.nonzero(frame[0, 0])
    height, width = results['img_shape']
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(results['boxes'][0, 0, 0] * [width, height, width, height], seen, atol=1e-9)


def test_invalid_sides_raise_errors():
    for sides in ((80, 64), (0, 64)):
        with pytest.raises(
            ValueError, match=f'short_side is {sides[0]}, but must be above 0 and at most long_side={sides[1]}'
        ):
            LimitSides(*sides)


@pytest.mark.parametrize('kind', ['CenterCrop', 'TenCrop'])
def test_crops_of_mmaction2_raise_errors_for_small_frames(kind):
    run = Compose([dict(type=kind, crop_size=(80, 64))])
    with pytest.raises(ValueError, match=rf'frames of 72 x 96 are smaller than crop_size=\(80, 64\) of {kind}'):
        run(dict(imgs=[drawn(72, 96)], img_shape=(96, 72)))
    assert run(dict(imgs=[drawn(80, 64)], img_shape=(64, 80)))['imgs'][0].shape == (64, 80, 3)


@pytest.mark.slow
def test_quick_start_config_trains_and_tests_on_any_aspect_ratio(clips, tmp_path):
    clips, boxes = clips
    cfg = Config.fromfile(CONFIGS / 'tsm_r18_dyreg-motion_mini.py')
    (tmp_path / 'list.txt').write_text(''.join(f'{video["filename"]} 0\n' for video, _ in clips.values()))
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        pipeline = [dict(step, ann_file=boxes) if 'ann_file' in step else step for step in loader.dataset.pipeline]
        loader.dataset = dict(
            type='VideoDataset', ann_file=str(tmp_path / 'list.txt'), pipeline=pipeline, test_mode=True
        )
        loader.update(batch_size=3, num_workers=0, persistent_workers=False)
    cfg.merge_from_dict(dict(work_dir=str(tmp_path), train_cfg=dict(max_epochs=1, val_interval=1)))
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='DrawRegionsHook', num=3, width=32)]
    cfg.default_hooks.checkpoint = None
    cfg.visualizer = dict(type='RegionVisualizer', name=str(tmp_path), vis_backends=[dict(type='LocalVisBackend')])
    runner = build_runner(cfg)
    runner.train()
    assert any(name.endswith('dist_p') for name in runner.message_hub.log_scalars)
    assert runner.test()['acc/top1'] >= 0
    assert list(tmp_path.rglob('regions_*.png'))
