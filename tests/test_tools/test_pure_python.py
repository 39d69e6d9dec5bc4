"""Command-line tools with pure Python configs."""

import sys

import pytest
from tool_runs import run

BASE = """\
from mmaction.engine.hooks import VisualizationHook
from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.runner import TestLoop, ValLoop

val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
default_hooks = dict(
    checkpoint=dict(type=CheckpointHook, interval=1),
    logger=dict(type=LoggerHook, interval=1),
    visualization=dict(type=VisualizationHook, enable=False),
)
"""
PURE = """\
from mmengine.config import read_base

with read_base():
    from .base import *

from mmaction.datasets import VideoDataset
from mmaction.datasets.transforms import FormatShape, PackActionInputs, Resize, UniformSample
from mmaction.evaluation import AccMetric
from mmaction.models import ActionDataPreprocessor, Recognizer2D, TSMHead
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.optim import OptimWrapper
from torch.optim import SGD

from dyreg_mmaction.datasets import VideoDecode, VideoInit
from dyreg_mmaction.engine import FiniteHook
from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.models.backbones import DyRegResNetTSM

data_root = 'unset'
pipeline = [
    dict(type=VideoInit),
    dict(type=UniformSample, clip_len=4, num_clips=1),
    dict(type=VideoDecode),
    dict(type=Resize, scale=(64, 64), keep_ratio=False),
    dict(type=FormatShape, input_format='NCHW'),
    dict(type=PackActionInputs),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=pseudo_collate),
    dataset=dict(
        type=VideoDataset,
        ann_file='sthv2_train_list_videos.txt',
        data_root=data_root,
        data_prefix=dict(video='videos'),
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    collate_fn=dict(type=pseudo_collate),
    dataset=dict(
        type=VideoDataset,
        ann_file='sthv2_val_list_videos.txt',
        data_root=data_root,
        data_prefix=dict(video='videos'),
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type=AccMetric)
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
custom_hooks = [dict(type=FiniteHook, skips=1)]
model = dict(
    type=Recognizer2D,
    backbone=dict(
        type=DyRegResNetTSM,
        depth=18,
        num_segments=4,
        input_size=64,
        pretrained=None,
        pretrained2d=False,
        plugins=[dict(type=DyRegGNN, after='layer3.1.conv1.conv')],
    ),
    cls_head=dict(type=TSMHead, num_classes=8, in_channels=512, num_segments=4, average_clips='prob'),
    data_preprocessor=dict(type=ActionDataPreprocessor, mean=[0], std=[255], format_shape='NCHW'),
)
"""


@pytest.mark.slow
def test_pure_python_config_is_printed_trained_and_tested(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'pure.py').write_text(PURE)
    data, run_dir = tmp_path / 'mini', tmp_path / 'run'
    run(sys.executable, 'tools/data/make_mini_something.py', str(data), '--train', '4', '--val', '2')
    config, options = str(tmp_path / 'pure.py'), ['--cfg-options', f'data_root={data}']
    printed = run(sys.executable, 'tools/analysis/print_config.py', config, *options)
    assert "type='DyRegResNetTSM'" in printed and repr(str(data)) in printed
    trained = run(sys.executable, 'tools/train.py', config, '--work-dir', str(run_dir), *options)
    assert 'ResumableTrainLoop' in (run_dir / 'pure.py').read_text() and 'acc/top1' in trained
    tested = run(
        sys.executable, 'tools/test.py', config, str(run_dir / 'epoch_1.pth'), '--work-dir', str(run_dir), *options
    )
    assert 'acc/top1' in tested
