"""A model with a RegionNeck through everything that runs a model with plugins: training, hooks, metric, pictures."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from region_runs import SIDE, config, digits, recognizer

from dyreg_mmaction.cli import regions as visualize_regions
from dyreg_mmaction.inference import RegionInferencer
from dyreg_mmaction.inference.export import export
from dyreg_mmaction.registry import MODELS

PLUGIN = dict(
    type='DyRegGNN',
    num_nodes=4,
    node_channels=8,
    regions=dict(type='DynamicRegions', hidden_channels=8, reference='grid'),
    graph=dict(type='SpaceTimeGraph', num_rounds=1),
)
MINI = Path(__file__).parents[3] / 'configs/tsm_r18_dyreg_mini.py'


def model(**kwargs):
    cfg = recognizer(region_losses=[dict(type='MotionLikelihood', weight=1.0)], **kwargs)
    cfg['backbone']['type'] = 'ResNet'
    for key in ('plugins', 'input_size', 'num_segments'):
        del cfg['backbone'][key]
    return dict(
        cfg, neck=dict(type='RegionNeck', in_channels=64, feature_size=SIDE // 4, num_segments=4, plugin=PLUGIN)
    )


@pytest.fixture(scope='module')
def runner(tmp_path_factory):
    """Return a runner after 4 iterations and a test with the fused model."""
    folder = tmp_path_factory.mktemp('run')
    loader = dict(dataset=digits(4), batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
    hooks = [
        dict(type='WatchRegionsHook', interval=2),
        dict(type='AttachRegionsHook'),
        dict(type='FuseHook'),
    ]
    cfg = config(
        folder,
        model(),
        digits(2),
        train_dataloader=loader,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.05)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False)),
        custom_hooks=hooks,
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    runner.measured = runner.test()
    return runner


def test_training_with_a_neck(runner):
    start = MODELS.build(model())
    learned = dict(runner.model.neck.plugin.named_parameters())
    assert all((learned[name] != value).any() for name, value in start.neck.plugin.named_parameters())
    (file,) = Path(runner.work_dir).glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {'neck/shift', 'neck/motion', 'loss_motion_likelihood'} <= {key for line in lines for key in line}


def test_metric_of_the_fused_model(runner):
    assert 0 < runner.measured['object/dist_acting'] < 1


def test_visualize_regions_of_a_neck(runner, monkeypatch, capsys):
    folder = Path(runner.work_dir)
    runner.cfg.dump(folder / 'config.py')
    arguments = [str(folder / 'config.py'), str(folder / 'iter_4.pth'), '--dataset', 'test', '--num', '1', '--html']
    monkeypatch.setattr(sys, 'argv', ['tool', *arguments, '--out', str(folder / 'out'), '--device', 'cpu'])
    visualize_regions.main()
    assert sorted(path.name for path in (folder / 'out').iterdir()) == [
        'mean_regions.png',
        'regions.png',
        'report.html',
    ]
    before, after = np.split(cv2.imread(str(folder / 'out/mean_regions.png'))[20:, :564], [284], 1)
    assert (before[:, :280] != after[:, :280]).any()


@pytest.fixture(scope='module')
def inferencer():
    """Return an inferencer of the quick start's model with the module in a neck."""
    cfg = Config.fromfile(MINI)
    stages = dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,))
    cfg.model.backbone = dict(type='ResNet', depth=18, pretrained=None, **stages)
    cfg.model.neck = dict(type='RegionNeck', in_channels=256, feature_size=4, num_segments=8, plugin=PLUGIN)
    cfg.model.cls_head.in_channels = 256
    return RegionInferencer(cfg, device='cpu')


def test_inferencer_with_a_neck(inferencer):
    video = np.random.default_rng(0).integers(0, 255, (16, 72, 96, 3), np.uint8)
    (found,) = inferencer(video, regions=True)['predictions']
    assert np.shape(found['regions']['neck']['center']) == (1, 8, 4, 2)


@pytest.mark.slow
def test_onnx_export_with_a_neck(inferencer, tmp_path):
    torch.nn.init.constant_(inferencer.model.neck.plugin.norm.weight, 0.5)
    pytest.importorskip('onnxscript')
    assert export(inferencer.model, dict(frames=8, size=48), tmp_path / 'model.onnx') < 1e-4
