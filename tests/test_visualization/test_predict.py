"""Where clips and names of classes come from."""

import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from dyreg_mmaction.visualization.predict import class_names, file_samples

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


def test_folders_of_frames_are_read_as_the_config_says(tmp_path):
    for number in range(1, 9):
        cv2.imwrite(str(tmp_path / f'{number:05}.jpg'), np.full((48, 64, 3), 10 * number, np.uint8))
    (sample,) = file_samples(config(), [str(tmp_path)], None)
    assert sample['inputs'].shape == (4, 3, 32, 32)
    source = sample['data_samples'].source
    assert source.shape == (1, 4, 48, 64, 3)
    np.testing.assert_allclose(source[0, :, 0, 0, 0], [20, 40, 60, 80], atol=2)
    with pytest.raises(ValueError, match='it has no frames named like 00001.png'):
        next(file_samples(config(filename_tmpl='{:05}.png'), [str(tmp_path)], None))


def test_names_of_classes(tmp_path):
    (tmp_path / 'names.txt').write_text('Zieht etwas\n\nDrückt etwas\n', encoding='utf-8')
    (tmp_path / 'labels.json').write_text(json.dumps({'b': '1', 'a': '0', 'c': '10'}))
    assert class_names(config(), str(tmp_path / 'names.txt')) == ['Zieht etwas', 'Drückt etwas']
    assert class_names(config(), str(tmp_path / 'labels.json')) == ['a', 'b', 'c']
    assert class_names(config()) is None
    assert class_names(config(type='MiniSomething'))[2] == 'Moving something down'
    assert class_names(config(metainfo=dict(classes=['x']))) == ['x']
