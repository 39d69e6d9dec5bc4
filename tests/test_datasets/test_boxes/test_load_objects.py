"""Annotated objects of the sampled frames: missing boxes are not filled in, and each object keeps its index."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from dyreg_mmaction.datasets import LoadObjects, MiniSomething
from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something

SIZE = 100  # side of the frames in pixels


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def write(path, frames, video='7'):
    """Write boxes in pixels by frame, counted from 1."""
    sides = ('x1', 'y1', 'x2', 'y2')
    named = [
        dict(
            name=f'{video}/{n:04}.jpg',
            labels=[dict(box2d=dict(zip(sides, map(float, box), strict=True))) for box in boxes],
        )
        for n, boxes in frames.items()
    ]
    path.write_text(json.dumps({video: named}))
    return str(path)


def objects(ann_file, wanted, video='7', **others):
    results = dict(
        filename=f'videos/{video}.webm',
        frame_inds=np.array(wanted),
        start_index=0,
        clip_len=1,
        num_clips=len(wanted),
        img_shape=(SIZE, SIZE),
        **others,
    )
    return LoadObjects(ann_file).transform(results)


def box(x, y):
    return [x, y, x + 20, y + 20]


def test_objects_keep_their_index_and_gaps_are_kept(tmp_path):
    frames = {
        1: [box(10, 10), box(60, 60)],
        2: [box(62, 60), box(12, 10)],  # in another order
        3: [box(14, 10)],  # one is hidden
        5: [box(16, 10), box(66, 60)],  # frame 4 is not annotated
        6: [box(66, 60), box(18, 10), box(10, 70)],  # a new one
    }
    given = objects(write(tmp_path / 'a.json', frames), range(6))['objects'] * SIZE
    assert given.shape == (1, 6, 3, 4)
    np.testing.assert_allclose(given[0, :, 0, 0], [10, 12, 14, np.nan, 16, 18], rtol=1e-6)
    np.testing.assert_allclose(given[0, :, 1, 0], [60, 62, np.nan, np.nan, 66, 66], rtol=1e-6)
    np.testing.assert_allclose(given[0, :, 2, 1], [np.nan] * 5 + [70], rtol=1e-6)


def test_new_object_does_not_get_the_index_of_another(tmp_path):
    frames = {1: [box(10, 10)], 2: [box(12, 10)], 3: [box(70, 70)]}
    given = objects(write(tmp_path / 'a.json', frames), range(3))['objects']
    assert np.isnan(given[0, :, :, 0]).tolist() == [[False, True], [False, True], [True, False]]


def test_video_without_annotation_has_no_objects(tmp_path):
    ann_file = write(tmp_path / 'a.json', {1: [box(0, 0)]})
    assert objects(ann_file, range(4), video='8')['objects'].shape == (1, 4, 0, 4)
    assert objects(write(tmp_path / 'b.json', {}), range(4))['objects'].shape == (1, 4, 0, 4)


def test_acting_has_one_value_per_object(tmp_path):
    ann_file = write(tmp_path / 'a.json', {1: [box(0, 0), box(50, 50)]})
    assert objects(ann_file, [0], acting=np.array([True]))['acting'].tolist() == [True, False]
    assert objects(ann_file, [0], acting=np.array([False, True, True]))['acting'].tolist() == [False, True]


def test_missing_boxes_raise_an_error():
    with pytest.raises(ValueError, match='set ann_file of LoadObjects to a box file'):
        LoadObjects().transform(dict(clip_len=1, num_clips=8))


@pytest.fixture(scope='module')
def mini(tmp_path_factory):
    root = tmp_path_factory.mktemp('mini')
    generate_mini_something(root, num_train=1, num_val=8)
    return root


def test_acting_objects_of_mini_something_move(mini):
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='LoadObjects', ann_file=str(mini / 'bounding_box_annotations.json')),
        dict(type='WithBoxes', transforms=[dict(type='Resize', scale=(-1, 72)), dict(type='CenterCrop', crop_size=64)]),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs', algorithm_keys=('objects', 'acting')),
    ]
    dataset = MiniSomething(str(mini), split='val', pipeline=pipeline, test_mode=True)
    annotations = json.loads(Path(mini / 'bounding_box_annotations.json').read_text())
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        assert sample.objects.shape == (1, 8, 3, 4) and not np.isnan(sample.objects).any()
        moved = np.abs(sample.objects[0, -1] - sample.objects[0, 0]).max(-1) > 0.02
        assert moved.tolist() == sample.acting.tolist()
        frame = annotations[Path(dataset.get_data_info(i)['filename']).stem][0]
        named = [label['category'] in frame['gt_placeholders'] for label in frame['labels']]
        assert named == sample.acting.tolist()


def test_objects_are_transformed_with_the_pixels(tmp_path):
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    frame[30:50, 10:30] = 255
    results = objects(write(tmp_path / 'a.json', {1: [[10, 30, 30, 50]]}), [0], imgs=[frame], modality='RGB', label=0)
    moves = [dict(type='CenterCrop', crop_size=(96, 80)), dict(type='Flip', flip_ratio=1)]
    results = Compose([dict(type='WithBoxes', transforms=moves)])(results)
    height, width = results['imgs'][0].shape[:2]
    rows, columns = np.nonzero(results['imgs'][0][..., 0])
    seen = [columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height]
    np.testing.assert_allclose(results['objects'][0, 0, 0], seen, atol=1e-6)


def test_array_with_box_file_raises_an_error(tmp_path):
    results = dict(frame_inds=np.arange(4), start_index=0, clip_len=4, num_clips=1, img_shape=(SIZE, SIZE))
    with pytest.raises(ValueError, match='boxes are looked up by video path, but the sample is an array'):
        LoadObjects(write(tmp_path / 'a.json', {1: [box(0, 0)]})).transform(results)
