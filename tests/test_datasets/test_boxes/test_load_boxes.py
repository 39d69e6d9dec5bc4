"""Boxes from annotations to the model: drawn boxes and their coordinates go through MMAction2's pipelines."""

import json
import warnings

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate

from dyreg_mmaction.datasets.boxes import LoadBoxes, WithBoxes
from dyreg_mmaction.datasets.boxes.tracks import iou, match_boxes
from dyreg_mmaction.registry import MODELS, TRANSFORMS

HEIGHT, WIDTH, FRAMES = 60, 96, 8
# pixels, moves by (3, 1) per frame; the box leaves most crops at one side
TRACK = np.array([[20 + 3 * t, 11 + t, 44 + 3 * t, 35 + t] for t in range(FRAMES)])


def annotation(boxes, scores=None, **frame):
    labels = [dict(box2d=dict(zip(('x1', 'y1', 'x2', 'y2'), map(float, box), strict=True))) for box in boxes]
    for label, score in zip(labels, scores or [], strict=False):
        label['score'] = score
    return dict(labels=labels, **frame)


def write(path, frames, video='clip'):
    named = [dict(frame, name=f'{video}/{number:04}.jpg') for number, frame in frames.items()]
    path.write_text(json.dumps({video: named}))
    return str(path)


@pytest.fixture
def ann_file(tmp_path):
    return write(tmp_path / 'boxes.json', {t + 1: annotation([box]) for t, box in enumerate(TRACK)})


def decoded(frame_inds, **others):
    """Return a decoded clip with its box drawn in white."""
    video = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for frame, (x1, y1, x2, y2) in zip(video, TRACK, strict=True):
        frame[y1:y2, x1:x2] = 255
    return dict(
        dict(
            imgs=[video[i] for i in frame_inds],
            frame_inds=np.array(frame_inds),
            start_index=0,
            clip_len=1,
            num_clips=len(frame_inds),
            original_shape=(HEIGHT, WIDTH),
            img_shape=(HEIGHT, WIDTH),
            filename='videos/clip.webm',
            modality='RGB',
            label=0,
        ),
        **others,
    )


def seen(img):
    """Return the box drawn in a frame, in pixels; None if it is not visible."""
    rows, columns = np.nonzero(img[..., 0] > 127)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def assert_drawn(imgs, boxes, tolerance):
    """Check that boxes (frames, 4) are those drawn in the frames."""
    assert len(imgs) == len(boxes)
    for img, box in zip(imgs, boxes, strict=True):
        height, width = img.shape[:2]
        pixels = np.clip(box, 0, 1) * [width, height, width, height]
        if seen(img) is None:
            assert pixels[2] - pixels[0] <= tolerance or pixels[3] - pixels[1] <= tolerance
        else:
            np.testing.assert_allclose(seen(img), pixels, atol=tolerance + 1e-9)


TRAINING = [
    dict(type='Resize', scale=(-1, 80)),
    dict(type='MultiScaleCrop', input_size=64, scales=(1, 0.875, 0.75, 0.66), random_crop=False, num_fixed_crops=13),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
]


@pytest.mark.parametrize('seed', range(8))
def test_boxes_in_a_training_pipeline(ann_file, seed):
    np.random.seed(seed)
    results = Compose([LoadBoxes(1, ann_file), WithBoxes(TRAINING)])(decoded([0, 2, 5, 7]))
    assert results['boxes'].shape == (1, 4, 1, 4)
    assert_drawn(results['imgs'], results['boxes'][0, :, 0], tolerance=1)


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    'transform',
    [
        dict(type='RandomCrop', size=40),
        dict(type='CenterCrop', crop_size=(50, 40)),
        dict(type='Flip', flip_ratio=1),
        dict(type='Flip', flip_ratio=1, direction='vertical'),
        dict(type='RandomResizedCrop'),
    ],
)
def test_crops_and_flips_are_exact(ann_file, transform, seed):
    np.random.seed(seed)
    results = Compose([LoadBoxes(1, ann_file), WithBoxes([transform])])(decoded(range(FRAMES)))
    assert_drawn(results['imgs'], results['boxes'][0, :, 0], tolerance=0)


@pytest.mark.parametrize(
    'crop, num_crops',
    [
        (dict(type='ThreeCrop', crop_size=45), 3),
        (dict(type='TenCrop', crop_size=45), 10),
        (dict(type='TSMCrop', crop_size=37), 1),
        (dict(type='TSMCrop', crop_size=37, num_crops=3), 3),  # 37: half pixels on both sides
    ],
)
def test_boxes_in_tests_with_several_crops_and_clips(ann_file, crop, num_crops):
    transforms = [dict(type='Resize', scale=(-1, 45)), crop]
    clip = decoded([1, 3, 5, 7, 0, 2, 4, 6], num_clips=4)
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # these crops warn if they lose boxes
        results = Compose([LoadBoxes(1, ann_file), WithBoxes(transforms)])(clip)
    assert results['boxes'].shape == (2 * num_crops, 4, 1, 4)
    assert_drawn(results['imgs'], results['boxes'].reshape(-1, 4), tolerance=1)


def test_boxes_have_the_order_of_the_clips(ann_file):
    """Boxes and frames of each clip agree after packing, collating and the recognizer's reshaping."""
    from dyreg_mmaction.models.with_boxes import clip_boxes

    pipeline = Compose(
        [
            LoadBoxes(2, ann_file),
            WithBoxes([dict(type='ThreeCrop', crop_size=60)]),
            TRANSFORMS.build(dict(type='FormatShape', input_format='NCHW')),
            TRANSFORMS.build(dict(type='PackActionInputs', algorithm_keys=('boxes',))),
        ]
    )
    videos = [[1, 3, 5, 7, 0, 2, 4, 6], [0, 0, 0, 0, 7, 7, 7, 7]]
    batch = pseudo_collate([pipeline(decoded(frames, num_clips=4)) for frames in videos])
    inputs = torch.stack(batch['inputs'])  # (videos, 3 * 2 * 4, C, H, W)
    boxes = clip_boxes(inputs, batch['data_samples'])  # (videos * 3 * 2, 4, N, 4)
    assert boxes.shape == (12, 4, 2, 4)
    assert boxes.dtype == torch.float32
    frames = inputs.flatten(0, 1).permute(0, 2, 3, 1).numpy()
    assert_drawn(frames, boxes[:, :, 0].flatten(0, 1).numpy(), tolerance=1e-4)
    assert torch.equal(boxes[0, 0, 1], torch.tensor([0.0, 0, 1.6, 1]))  # no box: the whole frame, here cut at 60 px


def test_boxes_of_each_view_in_a_3d_recognizer(ann_file):
    from mmengine.registry import init_default_scope

    from dyreg_mmaction.models import record_regions

    init_default_scope('mmaction')
    pipeline = Compose(
        [
            LoadBoxes(1, ann_file),
            WithBoxes([dict(type='ThreeCrop', crop_size=60)]),
            TRANSFORMS.build(dict(type='FormatShape', input_format='NCTHW')),
            TRANSFORMS.build(dict(type='PackActionInputs', algorithm_keys=('boxes',))),
        ]
    )
    videos = [[1, 3, 5, 7, 0, 2, 4, 6], [0, 0, 1, 1, 7, 6, 7, 6]]
    batch = pseudo_collate([pipeline(decoded(frames, clip_len=4, num_clips=2)) for frames in videos])
    inputs = torch.stack(batch['inputs'])
    assert inputs.shape == (2, 3 * 2, 3, 4, 60, 60)
    plugin = dict(type='DyRegGNN', after='layer1.1', num_nodes=1, node_channels=4, regions=dict(type='BoxRegions'))
    stage = dict(num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,))
    backbone = dict(type='DyRegC2D', depth=18, input_size=60, pretrained=None, plugins=[plugin], **stage)
    head = dict(type='I3DHead', num_classes=2, in_channels=64, average_clips='prob')
    model = MODELS.build(dict(type='RegionRecognizer3D', backbone=backbone, cls_head=head)).eval()
    with record_regions(model) as record, torch.no_grad():
        assert len(model(inputs.float(), batch['data_samples'], mode='predict')) == 2
    (regions,) = record['layer1.1']
    frames = inputs.flatten(0, 1).permute(0, 2, 3, 4, 1).flatten(0, 1).numpy()  # (views*T,H,W,C)
    looked = regions.normalized().boxes()[:, :, 0].flatten(0, 1).numpy()
    assert_drawn(frames, looked, tolerance=0.3)  # two cells, the narrowest region, are more than the narrowest box


def test_unsupported_geometric_transform_raises_an_error():
    with pytest.raises(ValueError, match='WithBoxes does not support FormatShape; use'):
        WithBoxes([dict(type='FormatShape', input_format='NCHW')])


def test_boxes_of_a_dataset_need_no_file():
    results = decoded(range(FRAMES), gt_bboxes=TRACK[:, None].astype(np.float32))
    boxes = LoadBoxes(3)(results)['boxes']
    np.testing.assert_allclose(boxes[0, :, 0] * [WIDTH, HEIGHT, WIDTH, HEIGHT], TRACK, rtol=1e-6)
    assert (boxes[0, :, 1:] == [0, 0, 1, 1]).all()


def test_missing_boxes_raise_an_error():
    with pytest.raises(ValueError, match='provides no gt_bboxes; set ann_file'):
        LoadBoxes()(decoded([0]))


@pytest.mark.parametrize('size', [dict(width=192, height=120), dict()])
def test_annotated_frames_of_another_size(tmp_path, size):
    frames = {t + 1: annotation([2 * box], **size) for t, box in enumerate(TRACK)}
    loader = LoadBoxes(1, write(tmp_path / 'boxes.json', frames), ann_height=None if size else 120)
    assert_drawn(decoded(range(FRAMES))['imgs'], loader(decoded(range(FRAMES)))['boxes'][0, :, 0], tolerance=0)


def test_boxes_of_another_scale_raise_an_error(tmp_path):
    path = write(tmp_path / 'boxes.json', {t + 1: annotation([2 * box]) for t, box in enumerate(TRACK)})
    with pytest.raises(
        ValueError, match='x = 130, y = 84, but frames are assumed to be 96 x 60; set ann_height .* videos suggest 84'
    ):
        LoadBoxes(1, path)(decoded([0]))
    with pytest.raises(ValueError, match='frames are assumed to be 112 x 70; set ann_height'):
        LoadBoxes(1, path, ann_height=70)(decoded([0]))


def many(path, height, frames=None):
    """Return annotations of the clip and 7 other videos, whose boxes extend down to ``height``."""
    frames = frames or [dict(annotation([(0, 0, 20, height - 1)]), name='0001.jpg')]
    videos = {'clip': frames, **{str(i): frames for i in range(7)}}
    videos['3'] = [dict(annotation([(0, 0, 20, height)]), name='0001.jpg')]
    path.write_text(json.dumps(videos))
    return str(path)


def test_boxes_of_enlarged_videos_raise_an_error_with_a_height(tmp_path):
    path = many(tmp_path / 'boxes.json', 30)
    with pytest.raises(
        ValueError, match='below y = 30, but frames are assumed to be 60 pixels high; .*the boxes suggest 30'
    ):
        LoadBoxes(1, path)(decoded([0]))
    np.testing.assert_allclose(LoadBoxes(1, path, ann_height=30)(decoded([0]))['boxes'][0, 0, 0, 3], 29 / 30)


def test_unlikely_ann_height_warns(tmp_path):
    path = many(tmp_path / 'boxes.json', 30)
    with pytest.warns(UserWarning, match='assumed to be 60 pixels high; set ann_height .*the boxes suggest 30.$'):
        load = LoadBoxes(1, path, ann_height=60)
    np.testing.assert_allclose(load(decoded([0]))['boxes'][0, 0, 0, 3], 29 / 60)


def test_likely_heights_do_not_warn(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        LoadBoxes(1, many(tmp_path / 'fitting.json', 50))(decoded([0]))
        sized = [dict(annotation([(0, 0, 20, 20)], width=WIDTH, height=HEIGHT), name='0001.jpg')]
        LoadBoxes(1, many(tmp_path / 'sized.json', 20, sized))(decoded([0]))


def test_unlikely_height_of_few_videos_only_warns(tmp_path):
    path = write(tmp_path / 'boxes.json', {1: annotation([(0, 0, 10, 30)])})
    with pytest.warns(UserWarning, match='the boxes suggest 30'):
        assert LoadBoxes(1, path)(decoded([0]))['boxes'][0, 0, 0, 3] == 0.5


@pytest.mark.parametrize('box, fits', [((0, 0, 98, 62), True), ((0, 0, 98.5, 60), False), ((0, 0, 96, 62.5), False)])
def test_boxes_may_exceed_the_frame_by_two_pixels(tmp_path, box, fits):
    load = LoadBoxes(1, write(tmp_path / 'boxes.json', {1: annotation([box])}))
    if fits:
        np.testing.assert_allclose(load(decoded([0]))['boxes'][0, 0, 0], np.array(box) / [96, 60, 96, 60])
    else:
        with pytest.raises(ValueError, match='set ann_height'):
            load(decoded([0]))


def test_boxes_may_exceed_a_declared_frame_size(tmp_path):
    """A detector may return such boxes."""
    path = write(tmp_path / 'boxes.json', {1: annotation([(0, 0, 120, 90)], width=WIDTH, height=HEIGHT)})
    assert LoadBoxes(1, path)(decoded([0]))['boxes'][0, 0, 0].tolist() == [0, 0, 1.25, 1.5]


def test_raw_frames_start_at_one(ann_file):
    results = dict(decoded([0, 4]), start_index=1, frame_inds=np.array([1, 5]), frame_dir='frames/clip', filename=None)
    np.testing.assert_allclose(LoadBoxes(1, ann_file)(results)['boxes'][0, 1, 0, 0] * WIDTH, TRACK[4, 0])


def test_folder_with_one_file_per_video(tmp_path):
    write(tmp_path / 'clip.json', {1: annotation([TRACK[0]])})
    np.testing.assert_allclose(LoadBoxes(1, str(tmp_path))(decoded([0]))['boxes'][0, 0, 0, 0] * WIDTH, TRACK[0, 0])


def test_several_files_are_merged_and_the_last_has_priority(tmp_path):
    parts = [
        write(tmp_path / 'part1.json', {1: annotation([TRACK[1]])}, 'other'),
        write(tmp_path / 'part2.json', {1: annotation([TRACK[2]])}),
        write(tmp_path / 'part3.json', {1: annotation([TRACK[3], TRACK[4]]), 2: annotation([])}),
    ]
    load = LoadBoxes(2, parts)
    np.testing.assert_allclose(load(decoded([0]))['boxes'][0, 0, :, 0] * WIDTH, TRACK[3:5, 0])
    other = load(decoded([0], filename='other.mp4'))['boxes'][0, 0, :, 0] * WIDTH
    np.testing.assert_allclose(other, [TRACK[1, 0], 0])
    with pytest.raises(ValueError, match="part1.json, .*part3.json has no boxes of video 'third'"):
        load(decoded([0], filename='third.mp4'))


def test_frames_in_any_order(tmp_path):
    """Without a detection, the box is that of the previous frame, not of the previous line."""
    found = {t + 1: annotation([] if t in (2, 5) else [TRACK[t]]) for t in (4, 0, 7, 6, 5, 3, 2, 1)}
    boxes = LoadBoxes(1, write(tmp_path / 'boxes.json', found))(decoded(range(FRAMES)))['boxes'][0, :, 0]
    np.testing.assert_allclose(boxes[:, 0] * WIDTH, TRACK[[0, 1, 1, 3, 4, 4, 6, 7], 0])


def test_boxes_with_the_highest_scores_are_kept(tmp_path):
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    path = write(tmp_path / 'boxes.json', {1: annotation(boxes, scores=[0.2, 0.9, 0.5])})
    loaded = LoadBoxes(2, path)(decoded([0]))['boxes'][0, 0] * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    assert sorted(loaded[:, 0].round().tolist()) == [20, 40]


def test_frames_without_annotation_have_the_nearest_boxes(tmp_path):
    path = write(tmp_path / 'boxes.json', {1: annotation([TRACK[0]]), 6: annotation([TRACK[5]])})
    x1 = LoadBoxes(1, path)(decoded(range(FRAMES)))['boxes'][0, :, 0, 0] * WIDTH
    np.testing.assert_allclose(x1, TRACK[[0, 0, 0, 5, 5, 5, 5, 5], 0])


@pytest.mark.parametrize('frames', [{}, {1: annotation([])}])
def test_video_without_boxes_has_the_whole_frame(tmp_path, frames):
    boxes = LoadBoxes(2, write(tmp_path / 'boxes.json', frames))(decoded([0, 1]))['boxes']
    assert boxes.shape == (1, 2, 2, 4) and (boxes == [0, 0, 1, 1]).all()


def test_errors_report_the_file(tmp_path, ann_file):
    with pytest.raises(FileNotFoundError, match='missing.json does not exist'):
        LoadBoxes(1, str(tmp_path / 'missing.json'))
    (tmp_path / 'wrong.json').write_text('{"clip": [{"labels": 3}]}')
    with pytest.raises(ValueError, match='wrong.json does not have the format of Something-Else'):
        LoadBoxes(1, str(tmp_path / 'wrong.json'))
    with pytest.raises(ValueError, match="boxes.json has no boxes of video 'other'"):
        LoadBoxes(1, ann_file)(decoded([0], filename='other.mp4'))


def follow(frames, num_nodes):
    """Return the boxes of the nodes of one video from lists of boxes."""
    boxes = np.full((len(frames), max(map(len, frames)), 4), np.nan)
    for row, frame in zip(boxes, frames, strict=True):
        row[: len(frame)] = frame
    return match_boxes(boxes, [len(frames)], [num_nodes])[0]


def test_nodes_track_objects_in_any_order():
    rng = np.random.default_rng(0)
    start = np.array([[0.1, 0.1, 0.3, 0.3], [0.4, 0.1, 0.6, 0.3], [0.7, 0.1, 0.9, 0.3]])
    frames = [(start + 0.02 * t)[rng.permutation(3)] for t in range(10)]
    tracks = follow(frames, 3)
    np.testing.assert_allclose(np.diff(tracks, axis=0), 0.02)


def test_matching_is_globally_optimal():
    """Greedy matching would assign to node 0 the only box for node 1."""
    first = np.array([[0.0, 0, 0.4, 1], [0.2, 0, 0.6, 1]])
    second = np.array([[0.15, 0, 0.55, 1], [-0.3, 0, 0.1, 1]])
    assert iou(first, second)[0, 0] > iou(first, second)[0, 1] > 0
    np.testing.assert_array_equal(follow([first, second], 2)[1], second[[1, 0]])


def test_lost_object_keeps_its_box_until_it_returns():
    a, b = np.array([[0.1, 0.1, 0.3, 0.3]]), np.array([[0.6, 0.6, 0.9, 0.9]])
    tracks = follow([np.concatenate([a, b]), b, np.zeros((0, 4)), np.concatenate([b, a])], 3)
    np.testing.assert_array_equal(tracks[:, 0], np.repeat(a, 4, 0))
    np.testing.assert_array_equal(tracks[:, 1], np.repeat(b, 4, 0))
    assert np.isnan(tracks[:, 2]).all()


def test_new_object_gets_a_free_node():
    a, b = np.array([[0.1, 0.1, 0.3, 0.3]]), np.array([[0.6, 0.6, 0.9, 0.9]])
    tracks = follow([a, np.concatenate([b, a])], 2)
    np.testing.assert_array_equal(tracks, np.stack([np.concatenate([a, b])] * 2))


def square(x, y):
    return np.array([[x - 0.05, y - 0.05, x + 0.05, y + 0.05]])


def test_fast_object_keeps_its_node():
    frames = [square(0.1 + 0.15 * t, 0.5) for t in range(6)]
    tracks = follow(frames, 9)
    np.testing.assert_array_equal(tracks[:, 0], np.concatenate(frames))
    assert np.isnan(tracks[:, 1:]).all()


def test_two_fast_objects_go_to_their_nearest_node():
    a, b = square(0.2, 0.2), square(0.5, 0.2)
    moved = [square(0.2, 0.35), square(0.5, 0.35)]
    tracks = follow([np.concatenate([a, b]), np.concatenate(moved[::-1])], 2)
    np.testing.assert_array_equal(tracks[1], np.concatenate(moved))


# from a at (0.1, 0.1) and b at (0.9, 0.9): just within and just out of reach
@pytest.mark.parametrize('x, node', [(0.61, 1), (0.59, 2)])
def test_new_object_gets_the_node_of_a_near_lost_object(x, node):
    a, b, c = square(0.1, 0.1), square(0.9, 0.9), square(x, 0.9)
    tracks = follow([np.concatenate([a, b]), c], 3)
    np.testing.assert_array_equal(tracks[1, node], c[0])
    np.testing.assert_array_equal(tracks[1, 0], a[0])
    assert node == 1 or (tracks[1, 1] == b).all()


def test_visible_object_keeps_its_node():
    """Object b is found at its position; c, which is closer to b than to the lost a, is assigned to a."""
    a, b, c = square(0.3, 0.5), square(0.6, 0.5), square(0.5, 0.5)
    tracks = follow([np.concatenate([a, b]), np.concatenate([c, b])], 3)
    np.testing.assert_array_equal(tracks[1, :2], np.concatenate([c, b]))


def test_object_lost_for_longer_is_not_matched_by_distance():
    a, b, c = square(0.3, 0.3), square(0.8, 0.8), square(0.45, 0.3)
    tracks = follow([np.concatenate([a, b]), b, np.concatenate([b, c])], 3)
    np.testing.assert_array_equal(tracks[2], np.concatenate([a, b, c]))


def test_new_object_without_free_node_gets_that_of_the_nearest_lost_object():
    a, b, c, d = square(0.1, 0.1), square(0.1, 0.9), square(0.9, 0.9), square(0.9, 0.1)
    c_and_new = np.concatenate([c, square(0.5, 0.7)])
    tracks = follow([np.concatenate([a, b, c, d]), c, c_and_new], 4)
    np.testing.assert_array_equal(tracks[2], np.concatenate([a, c_and_new[1:], c, d]))


def test_iou_of_known_boxes():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6], [1, 1, 1, 1]], dtype=float)
    np.testing.assert_allclose(iou(boxes[:1], boxes), [[1, 1 / 7, 0, 0]])
