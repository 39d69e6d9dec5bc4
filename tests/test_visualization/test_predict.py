"""Sources of clips, boxes and class names."""

import json
import weakref

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from region_runs import digits, recognizer

from dyreg_mmaction.registry import DATASETS, MODELS
from dyreg_mmaction.visualization.inputs import ClipInput, dataset_inputs, file_inputs
from dyreg_mmaction.visualization.predict import class_names, predict_clips

PIPELINE = [
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=4, test_mode=True),
    dict(type='RawFrameDecode'),
    dict(type='Resize', scale=(-1, 32)),
    dict(type='CenterCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]


def config(**dataset):
    dataset = dict(dict(type='RawframeDataset', filename_tmpl='{:05}.jpg', pipeline=PIPELINE), **dataset)
    return Config(dict(val_dataloader=dict(dataset=dataset)))


def write_frames(folder, count=8):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f'{number:05}.jpg'), np.full((48, 64, 3), 10 * number, np.uint8))
    return str(folder)


def write_boxes(path, *names):
    labels = [dict(box2d=dict(x1=6, y1=6, x2=30, y2=40))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: [dict(name=f'{i + 1}.jpg', labels=labels) for i in range(8)] for name in names}))
    return dict(type='LoadObjects', ann_file=str(path), ann_height=48)


def with_step(step):
    """Return the pipeline with a transform after the decoding."""
    return config(pipeline=[*PIPELINE[:2], step, *PIPELINE[2:]])


def frame_list(folder, *names, label=0):
    """Config of a dataset of folders of frames."""
    for name in names:
        write_frames(folder / name)
    (folder / 'list.txt').write_text(''.join(f'{name} 8 {label}\n' for name in names))
    paths = dict(ann_file=str(folder / 'list.txt'), data_prefix=dict(img=str(folder)))
    return dict(type='RawframeDataset', filename_tmpl='{:05}.jpg', pipeline=PIPELINE, test_mode=True, **paths)


def test_file_does_not_get_boxes_of_the_dataset(tmp_path):
    boxes = write_boxes(tmp_path / 'boxes.json', '3')
    video = write_frames(tmp_path / 'mine/3')
    (one,) = file_inputs(with_step(boxes), [video])
    assert 'objects' not in one.load()['data_samples']
    (one,) = file_inputs(config(), [video], boxes)
    assert one.load()['data_samples'].objects.shape == (1, 4, 1, 4)


def test_dataset_without_boxes(tmp_path, monkeypatch):
    """MiniSomething is in its default folder, and another dataset has a video of the same number."""
    write_boxes(tmp_path / 'data/mini_something/bounding_box_annotations.json', '3')
    monkeypatch.chdir(tmp_path)
    dataset = frame_list(tmp_path / 'mine', '3')
    for settings in (dataset, dict(dataset, data_root='data/mini_something')):
        cfg = Config(dict(val_dataloader=dict(dataset=settings)))
        assert 'objects' not in dataset_inputs(cfg, 'val', 1)[0].load()['data_samples']


def test_boxes_as_nodes_must_be_of_the_file(tmp_path):
    video = write_frames(tmp_path / 'mine/3')
    own = write_boxes(tmp_path / 'own.json', '3')
    given = dict(type='LoadBoxes', num_boxes=2, ann_file=str(tmp_path / 'dataset.json'))
    with pytest.raises(ValueError, match=r'boxes of .*dataset.json, which are not those of other videos; .* --boxes'):
        file_inputs(with_step(given), [video])
    cfg = with_step(given)
    cfg.val_dataloader.dataset.pipeline[-1].algorithm_keys = ('boxes',)
    (one,) = file_inputs(cfg, [video], own)
    assert one.load()['data_samples'].boxes.shape == (1, 4, 2, 4)


def test_files_of_the_same_name_in_two_folders_are_two_videos(tmp_path):
    videos = [write_frames(tmp_path / folder / '3') for folder in 'ab']
    assert [one.name for one in file_inputs(config(), videos)] == ['a/3', 'b/3']
    assert [one.name for one in file_inputs(config(), videos[:1])] == ['3']
    apart = write_boxes(tmp_path / 'apart.json', 'a/3')
    shapes = [one.load()['data_samples'].objects.shape for one in file_inputs(config(), videos, apart)]
    assert shapes == [(1, 4, 1, 4), (1, 4, 0, 4)]
    with pytest.raises(ValueError, match="has boxes of '3', which matches .*a/3 and .*b/3; add the folders"):
        file_inputs(config(), videos, write_boxes(tmp_path / 'alike.json', '3'))


def test_ambiguous_boxes_raise_an_error(tmp_path):
    cfg = Config(dict(val_dataloader=dict(dataset=frame_list(tmp_path / 'mine', 'a/3', 'b/3'))))
    with pytest.raises(ValueError, match="has boxes of '3', which matches .*a/3 and .*b/3"):
        dataset_inputs(cfg, 'val', 1, write_boxes(tmp_path / 'boxes.json', '3'))


def test_repeated_and_concatenated_datasets(tmp_path):
    first, second = frame_list(tmp_path / 'a', '1', '2'), frame_list(tmp_path / 'b', '1')
    second['pipeline'] = with_step(write_boxes(tmp_path / 'boxes.json', '1')).val_dataloader.dataset.pipeline
    for settings in (first, second):
        settings['metainfo'] = dict(classes=['up', 'down'])
    repeated = dict(type='RepeatDataset', times=3, dataset=first)
    cfg = Config(dict(val_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[repeated, second]))))
    inputs = dataset_inputs(cfg, 'val', 9)
    assert [one.name for one in inputs] == ['a/1', 'a/2', 'b/1']  # each once
    samples = [one.load()['data_samples'] for one in inputs]
    assert [sample.source.shape for sample in samples] == [(1, 4, 48, 64, 3)] * 3
    assert ['objects' in sample for sample in samples] == [False, False, True]
    assert class_names(cfg) == ['up', 'down']


def test_unreadable_clips_are_reported_and_skipped(tmp_path):
    cfg = Config(dict(val_dataloader=dict(dataset=frame_list(tmp_path, '1', '2', '3'))))
    (tmp_path / '2/00004.jpg').unlink()
    init_default_scope('mmaction')
    model = recognizer(dict(type='FixedRegions'), size=32)
    model['backbone']['in_channels'] = 3
    model['data_preprocessor'].update(mean=[127.5] * 3, std=[127.5] * 3)
    skipped = []
    clips = predict_clips(MODELS.build(model).eval(), dataset_inputs(cfg, 'val', 3), skipped.append)
    assert [clip.name for clip in clips] == ['1', '3']
    assert [str(error).partition(':')[0] for error in skipped] == ['2 cannot be read']


def test_clip_is_released_before_the_next_one_is_read():
    init_default_scope('mmaction')
    model = MODELS.build(recognizer(dict(type='FixedRegions'), kind='Recognizer2D')).eval()
    dataset = DATASETS.build(digits())
    known = []

    def load():
        assert not any(kept() is not None for kept in known)
        sample = dataset[0]
        known.extend(map(weakref.ref, sample.values()))
        return sample

    def fail(error):
        raise error

    for clip in predict_clips(model, [ClipInput('a', load)] * 3, fail):
        assert clip.name == 'a'
        del clip
    assert len(known) == 6


def test_folders_of_frames_are_read_by_the_config(tmp_path):
    write_frames(tmp_path)
    (one,) = file_inputs(config(), [str(tmp_path)])
    sample = one.load()
    assert sample['inputs'].shape == (4, 3, 32, 32)
    source = sample['data_samples'].source
    assert source.shape == (1, 4, 48, 64, 3)
    np.testing.assert_allclose(source[0, :, 0, 0, 0], [20, 40, 60, 80], atol=2)
    with pytest.raises(ValueError, match='it has no frames with names like 00001.png'):
        file_inputs(config(filename_tmpl='{:05}.png'), [str(tmp_path)])[0].load()


def test_class_names(tmp_path):
    (tmp_path / 'names.txt').write_text('Zieht etwas\n\nDrückt etwas\n', encoding='utf-8')
    (tmp_path / 'labels.json').write_text(json.dumps({'b': '1', 'a': '0', 'c': '10'}))
    assert class_names(config(), str(tmp_path / 'names.txt')) == ['Zieht etwas', 'Drückt etwas']
    assert class_names(config(), str(tmp_path / 'labels.json')) == ['a', 'b', 'c']
    assert class_names(config()) is None
    assert class_names(config(type='MiniSomething'))[2] == 'Moving something down'
    assert class_names(config(metainfo=dict(classes=['x']))) == ['x']


def test_undrawable_boxes_raise_an_error(tmp_path):
    """The pipeline has a transform that boxes cannot follow."""
    cfg = config(pipeline=[*PIPELINE[:2], dict(type='PytorchVideoWrapper', op='RandAugment'), *PIPELINE[2:]])
    objects = dict(type='LoadObjects', ann_file=str(tmp_path / 'boxes.json'))
    for make in (lambda: file_inputs(cfg, ['a'], objects), lambda: dataset_inputs(cfg, 'val', 1, objects)):
        with pytest.raises(ValueError, match='boxes cannot follow the transform PytorchVideoWrapper of the pipeline'):
            make()
