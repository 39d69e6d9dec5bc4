"""The training pipeline produces the frame size that the backbone is built for."""

import warnings
from pathlib import Path

import pytest
from mmaction.datasets.transforms import CenterCrop
from mmengine.config import Config

from dyreg_mmaction.engine.checks import check_config, check_input_size
from dyreg_mmaction.engine.checks.frame_size import frame_size

CONFIGS = Path(__file__).parents[3] / 'configs'
START = [dict(type='VideoInit'), dict(type='VideoDecode'), dict(type='Resize', scale=(-1, 72))]
END = [dict(type='Flip'), dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]


def config(*crops, **backbone):
    dataset = dict(type='VideoDataset', pipeline=[*START, *crops, *END])
    backbone = dict(type='DyRegResNetTSM', plugins=[dict(type='DyRegGNN', after='layer3')], **backbone)
    loader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dataset))
    return Config(dict(model=dict(type='Recognizer2D', backbone=backbone), train_dataloader=loader))


CROPS = [
    (64, [dict(type='RandomCrop', size=64)]),
    (64, [dict(type=CenterCrop, crop_size=64)]),
    (64, [dict(type='WithBoxes', transforms=[dict(type='RandomCrop', size=70), dict(type='TSMCrop', crop_size=64)])]),
    ((48, 64), [dict(type='mmaction.ThreeCrop', crop_size=(64, 48))]),
    ((48, 64), [dict(type='RandomResizedCrop'), dict(type='Resize', scale=(64, 48), keep_ratio=False)]),
]


@pytest.mark.parametrize(('size', 'crops'), CROPS)
def test_missing_size_raises_an_error_unless_224(size, crops):
    pair = (size, size) if isinstance(size, int) else size
    with pytest.raises(ValueError) as error:
        check_config(config(*crops))
    assert str(error.value) == (
        f'train_dataloader.dataset.dataset.pipeline produces frames of height and width {pair}, but '
        f'model.backbone.input_size is missing and defaults to 224; set model.backbone.input_size={size}, or '
        'input_size=224 for weights that were trained with it'
    )
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_config(config(*crops, input_size=size))


def test_other_size_warns():
    with pytest.warns(UserWarning, match=r'height and width \(64, 64\), but .*input_size is set to 112; set .*=64'):
        check_input_size(config(dict(type='RandomCrop', size=64), input_size=112))


@pytest.mark.parametrize(
    'crops',
    [
        [],
        [dict(type='RandomCrop', size=224)],
        [dict(type='LimitSides', short_side=64, long_side=80)],
        [dict(type='RandomCrop', size=64), dict(type='ImgAug', transforms='default')],
    ],
)
def test_consistent_or_unknown_sizes_are_accepted(crops):
    check_input_size(config(*crops))


def test_models_without_plugins_and_configs_without_training_are_not_checked():
    cfg = config(dict(type='RandomCrop', size=64))
    check_input_size(Config(dict(model=cfg.model)))
    cfg.model.backbone = dict(type='ResNetTSM')
    check_input_size(cfg)
    check_input_size(Config())


def test_generated_frames_have_the_size_of_their_dataset():
    pipeline = [dict(type='FormatShape'), dict(type='PackActionInputs')]
    assert frame_size(dict(type='SyncMNIST', pipeline=pipeline)) == (64, 64)
    assert frame_size(dict(type='MultiSyncMNIST', pipeline=pipeline)) == (128, 128)
    assert frame_size(dict(type='MultiSyncMNIST', frame_size=96, pipeline=pipeline)) == (96, 96)


@pytest.mark.parametrize(
    'name',
    [
        'c2d_r50_rstg-res3_sthv1',
        'i3d_r50_dyreg_sthv1',
        'mini_something/reduced/r18_dyreg',
        'multisyncmnist/r18_dyreg',
        'multisyncmnist/reduced/r18_dyreg',
        'tsm_r18_dyreg_mini',
        'tsm_r50_dyreg-detector_sthv2',
    ],
)
def test_our_configs_are_consistent(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py', format_python_code=False)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_input_size(cfg)
    if cfg.model.backbone.pop('input_size', None) is not None:
        with pytest.raises(ValueError, match='input_size is missing'):
            check_input_size(cfg)
