"""A region at a known object covers it in the drawn picture, for any pipeline."""

import json

import numpy as np
import pytest
import torch
from mmaction.datasets.transforms import Flip
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import MODELS
from dyreg_mmaction.visualization import draw_clip, keep_source, make_clip
from dyreg_mmaction.visualization.clip import Nodes
from dyreg_mmaction.visualization.drawing import draw_heat
from dyreg_mmaction.visualization.predict import predict_clip

HEIGHT, WIDTH, FRAMES = 60, 96, 4
TRACK = np.array([[20 + 5 * t, 15 + 3 * t, 44 + 5 * t, 33 + 3 * t] for t in range(FRAMES)], float)
INIT = [dict(type='ArrayDecode')]
PACK = [dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]
MOVES = {
    'none': [],
    'resized and cropped': [dict(type='Resize', scale=(-1, 80)), dict(type='CenterCrop', crop_size=64)],
    'squeezed': [dict(type='Resize', scale=(64, 64), keep_ratio=False)],
    'three crops': [dict(type='ThreeCrop', crop_size=HEIGHT)],
    'ten crops': [dict(type='TenCrop', crop_size=56)],
    'flipped': [dict(type='CenterCrop', crop_size=(80, 56)), dict(type='Flip', flip_ratio=1)],
    'upside down': [dict(type='Flip', flip_ratio=1, direction='vertical')],
}


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmaction')


@pytest.fixture
def boxes(tmp_path):
    sides = ('x1', 'y1', 'x2', 'y2')
    frames = [
        dict(name=f'clip/{t + 1:04}.jpg', labels=[dict(box2d=dict(zip(sides, box, strict=True)))])
        for t, box in enumerate(TRACK.tolist())
    ]
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps({'clip': frames}))
    return dict(type='LoadObjects', ann_file=str(path))


def loaded(moves, boxes):
    """Return a clip with a white object at TRACK after a pipeline."""
    video = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for frame, (x1, y1, x2, y2) in zip(video, TRACK.astype(int), strict=True):
        frame[y1:y2, x1:x2] = 255
    clip = dict(
        array=video,
        filename='clip.webm',
        frame_inds=np.arange(FRAMES),
        start_index=0,
        clip_len=1,
        num_clips=FRAMES,
        total_frames=FRAMES,
        original_shape=(HEIGHT, WIDTH),
        img_shape=(HEIGHT, WIDTH),
        modality='RGB',
        label=0,
    )
    return Compose(keep_source([*INIT, *moves, *PACK], boxes))(clip)


def drawn_points(picture):
    """Return the mean position (x, y) in each frame, in pixels from the corner, weighted by brightness."""
    weight = picture.astype(float).sum(-1)  # (T,H,W)
    rows, columns = (np.arange(side) + 0.5 for side in weight.shape[1:])
    total = weight.sum((1, 2))
    return np.stack([(weight.sum(1) * columns).sum(1) / total, (weight.sum(2) * rows).sum(1) / total], axis=-1)


@pytest.mark.parametrize('width', [96, 250, 480])
@pytest.mark.parametrize('moves', MOVES)
def test_centers_and_boxes_are_drawn_on_the_object(moves, boxes, width):
    sample = loaded(MOVES[moves], boxes)
    data = sample['data_samples']
    data.set_field(torch.tensor([1.0, 0.0]), 'pred_score')
    seen = torch.from_numpy(data.objects)[:, :, [0]]  # (V,T,1,4): the region is exactly the object
    half = seen[..., 2:] - seen[..., :2]  # a box ends at half of the tent's weight
    data.set_field({'a': Regions(seen[..., :2] + half / 2, half, (1, 1))}, 'regions')
    for view in range(len(seen)):
        clip = make_clip(sample['inputs'], data, view=view)
        assert clip.frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
        np.testing.assert_allclose(clip.objects[:, 0], TRACK / [WIDTH, HEIGHT, WIDTH, HEIGHT], atol=1e-5)
        black = clip._replace(frames=np.zeros_like(clip.frames), objects=clip.objects[:, :0], acting=clip.acting[:0])
        scale = np.array([width / WIDTH, round(width * HEIGHT / WIDTH) / HEIGHT])
        centers = (TRACK[:, :2] + TRACK[:, 2:]) / 2 * scale
        np.testing.assert_allclose(
            drawn_points(draw_clip(black, 'a', width, bold=[], numbers=False)), centers, atol=0.3
        )
        for t, box in enumerate(TRACK):  # frame by frame, so that no trajectory is drawn
            nodes = {'a': Nodes(*(part[t : t + 1] for part in clip.nodes['a'][:2]))}
            alone = black._replace(frames=black.frames[t : t + 1], objects=black.objects[t : t + 1], nodes=nodes)
            rows, columns = np.nonzero(draw_clip(alone, 'a', width, bold=[0], numbers=False)[0].max(-1) > 127)
            sides = [
                columns.min() + 1,
                rows.min() + 1,
                columns.max(),
                rows.max(),
            ]  # half a line is inside
            np.testing.assert_allclose(sides, box * np.tile(scale, 2), atol=1.5)


def test_pixels_outside_the_crop_are_darker(boxes):
    sample = loaded(MOVES['resized and cropped'], boxes)
    data = sample['data_samples']
    data.set_field(torch.ones(1), 'pred_score')
    data.set_field({'a': Regions(torch.full((1, FRAMES, 1, 2), 0.5), torch.ones(1, FRAMES, 1, 2), (1, 1))}, 'regions')
    clip = make_clip(sample['inputs'], data)
    # 64 of 80 rows, and of 128 columns, around the middle
    np.testing.assert_allclose(clip.view, [0.25, 0.1, 0.75, 0.9], atol=1e-6)
    white = clip._replace(frames=np.full_like(clip.frames, 200), objects=clip.objects[:, :0], acting=clip.acting[:0])
    picture = draw_clip(white, 'a', WIDTH, bold=[], numbers=False)[0, ..., 0]
    assert picture[30, 23] == 100 and picture[30, 24] == 200 and picture[5, 40] == 100 and picture[6, 40] == 200


def test_soft_kernels_peak_on_the_object(boxes):
    sample = loaded(MOVES['squeezed'], boxes)
    data = sample['data_samples']
    data.set_field(torch.ones(1), 'pred_score')
    center = torch.tensor([0.25, 0.75]).expand(1, FRAMES, 1, 2)
    data.set_field({'a': Regions(center, torch.full_like(center, 0.2), (1, 1))}, 'regions')
    clip = make_clip(sample['inputs'], data)
    black = clip._replace(frames=np.zeros_like(clip.frames), objects=clip.objects[:, :0], acting=clip.acting[:0])
    red = draw_clip(black, 'a', 200, 'kernel', bold=[0], numbers=False)[0, ..., 0].astype(int)
    height = red.shape[0]
    assert red[round(0.75 * height), 60] == pytest.approx(0.75 * 255 * (1 - 0.05 / 0.2), abs=8)
    assert red[round(0.75 * height), 8] == 0 and red[round(0.5 * height), 50] == 0


@pytest.mark.parametrize('moves', ['none', 'resized and cropped', 'squeezed', 'flipped', 'upside down'])
def test_heat_is_on_the_object(moves, boxes):
    sample = loaded(MOVES[moves], boxes)
    data = sample['data_samples']
    data.set_field(torch.ones(1), 'pred_score')
    data.set_field({'a': Regions(torch.full((1, FRAMES, 1, 2), 0.5), torch.ones(1, FRAMES, 1, 2), (1, 1))}, 'regions')
    y, x = np.mgrid[:24, :24] / 24 + 1 / 48
    low, high = (data.objects[0, :, 0, part, None, None] for part in (slice(0, 2), slice(2, 4)))  # (T,2,1,1)
    inside = (np.stack([x, y]) > low) & (np.stack([x, y]) < high)
    data.set_field(inside.all(1)[None].astype(np.float32), 'heat')
    clip = make_clip(sample['inputs'], data)
    frames = draw_heat(clip._replace(frames=np.zeros_like(clip.frames)), WIDTH)
    size, view = np.array([WIDTH, HEIGHT]), clip.view.reshape(2, 2)
    seen = [corner.clip(*view * size) for corner in (TRACK[:, :2], TRACK[:, 2:])]
    centers = (seen[0] + seen[1]) / 2
    np.testing.assert_allclose(drawn_points((frames > 40).any(-1, keepdims=True)), centers, atol=2)


@pytest.mark.parametrize('moves', ['resized and cropped', 'three crops'])
def test_model_with_boxes_as_nodes(moves, boxes):
    """From the box file through the model's regions to the picture."""
    config = dict(
        type='RegionRecognizer2D',
        backbone=dict(
            type='DyRegResNet',
            depth=18,
            num_stages=1,
            strides=(1,),
            dilations=(1,),
            out_indices=(0,),
            input_size=64,
            num_segments=FRAMES,
            plugins=[
                dict(
                    type='DyRegGNN',
                    after='layer1.0',
                    node_channels=8,
                    num_nodes=1,
                    kernel='area',
                    regions=dict(type='BoxRegions'),
                )
            ],
        ),
        cls_head=dict(type='TSNHead', num_classes=3, in_channels=64, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', format_shape='NCHW'),
    )
    model = MODELS.build(config).eval()
    sample = loaded(MOVES[moves], boxes)
    sample['data_samples'].boxes = np.nan_to_num(sample['data_samples'].objects)
    view = 2 if moves == 'three crops' else 0  # the one in the middle
    clip = predict_clip(model, sample, view=view)
    corners = [
        np.clip(TRACK[:, part] / [WIDTH, HEIGHT], clip.view[:2], clip.view[2:]) for part in (slice(2), slice(2, 4))
    ]
    middle = (corners[0] + corners[1]) / 2  # of what is in the view
    np.testing.assert_allclose(clip.nodes['layer1.0'].center[:, 0], middle, atol=0.02)
    assert clip.nodes['layer1.0'].kernel == 'area'


def test_input_is_drawn_if_the_source_is_unknown():
    pipeline = [dict(type='ArrayDecode'), dict(type='PytorchVideoWrapper', op='RandAugment'), *PACK]
    assert keep_source(pipeline) == pipeline
    data = ActionDataSample(pred_score=torch.ones(2), regions={'a': Regions(*torch.full((2, 1, 4, 1, 2), 0.5), (1, 1))})
    clip = make_clip(torch.full((4, 1, 20, 30), 7, dtype=torch.uint8), data)
    assert clip.frames.shape == (4, 20, 30, 3) and (clip.frames == 7).all() and clip.view.tolist() == [0, 0, 1, 1]


def test_given_objects_replace_those_of_the_pipeline():
    pipeline = Config(dict(pipeline=[*INIT, dict(type='LoadObjects', ann_file='own.json'), *PACK])).pipeline
    for given, used in ((None, 'own.json'), (dict(type='LoadObjects', ann_file='other.json'), 'other.json')):
        kept = keep_source(pipeline, given)
        types = [step['type'] for step in kept]
        assert types == ['ArrayDecode', 'KeepSource', 'LoadObjects', 'FormatShape', 'PackActionInputs']
        assert kept[2]['ann_file'] == used


WRAPPED = [*INIT, dict(type='PytorchVideoWrapper', op='RandAugment'), *PACK]


def test_undrawable_requested_boxes_raise_an_error(boxes, caplog, monkeypatch):
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'handlers', [caplog.handler])
    with pytest.raises(ValueError, match='boxes cannot follow the transform PytorchVideoWrapper of the pipeline'):
        keep_source(WRAPPED, boxes)
    assert keep_source(WRAPPED, known=boxes) == WRAPPED  # of the dataset
    assert 'objects are not drawn because boxes cannot follow' in caplog.text


def test_transforms_with_scope_class_or_neighbours(boxes):
    inner = [dict(type='mmaction.ArrayDecode'), dict(type=Flip), dict(type='mmaction.FormatShape', input_format='NCHW')]
    for steps in (inner, [dict(type='WithNeighbours', transforms=inner)]):
        kept = keep_source([dict(type='SampleFrames', clip_len=1), *steps, PACK[-1]], boxes)
        kinds = [
            'SampleFrames',
            'mmaction.ArrayDecode',
            'KeepSource',
            'LoadObjects',
            'WithBoxes',
            'mmaction.FormatShape',
        ]
        assert [step['type'] for step in kept] == [*kinds, 'PackActionInputs']
