"""The standardized form of DynamicRegions in a model: training, resuming, region losses, fusion, export."""

from pathlib import Path

import pytest
import torch
from backbone_cases import PLUGIN, toy, wake
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from region_runs import config, digits, recognizer
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.models.norm import BatchStandardize
from dyreg_mmaction.registry import MODELS

FORM = dict(
    type='DynamicRegions', hidden_channels=8, standardize=True, zero_init='weight', max_size_ratio=2.0, reference='grid'
)
GENERATOR = 'backbone.plugins.layer1-0.regions'


def awake():
    """Return a plugged network with residuals that are not 0 and running statistics of some batches."""
    torch.manual_seed(0)
    model = toy(dict(PLUGIN, after='second', regions=FORM), size=32)
    wake(model.plugins)
    with torch.no_grad():
        for _ in range(20):
            model(frames(3))
    return model.eval()


def frames(clips):
    return torch.randn(4 * clips, 3, 32, 32, generator=torch.Generator().manual_seed(clips))


def run(work_dir, iterations=6, **changes):
    """Return a runner after training with a region loss."""
    model = recognizer(FORM, region_losses=[dict(type='MotionLikelihood', weight=1.0)])
    model['cls_head']['dropout_ratio'] = 0
    loader = dict(dataset=digits(12), batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
    settings = dict(
        train_dataloader=loader,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.02)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False)),
        randomness=dict(seed=0),
        custom_hooks=[dict(type='EMAHook')],
    )
    runner = Runner.from_cfg(config(work_dir, model, digits(2), **{**settings, **changes}))
    runner.train()
    return runner


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    return run(tmp_path_factory.mktemp('run'))


def test_region_loss_moves_its_regions_and_running_statistics_follow(trained):
    source = trained.model.get_submodule(GENERATOR)
    assert source.predictor.fc.weight.abs().max() > 0.01
    assert source.norm_out.running_mean.abs().max() > 0.01
    assert (source.norm_out.running_var != 1).all()


def test_resumed_it_ends_with_the_same_weights_and_statistics(trained, tmp_path):
    first = str(Path(trained.work_dir) / 'iter_4.pth')
    saved = torch.load(first, weights_only=True)
    again = run(tmp_path, resume=True, load_from=first)
    for name in ('running_mean', 'running_var'):
        key = f'{GENERATOR}.norm_out.{name}'
        assert saved['state_dict'][key].count_nonzero()
    for key, value in trained.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[key], value, msg=key)


@pytest.mark.parametrize('freeze', ['norm_eval', 'whole model in eval mode'])
def test_only_the_whole_models_eval_mode_freezes_the_statistics(freeze):
    cfg = recognizer(FORM)
    cfg['backbone']['norm_eval'] = freeze == 'norm_eval'
    torch.manual_seed(0)
    model = MODELS.build(dict(cfg, _scope_='mmaction')).train(freeze == 'norm_eval')
    model.backbone(torch.randn(8, 1, 64, 64))
    norms = {name: m for name, m in model.named_modules() if isinstance(m, BatchStandardize)}
    assert [bool(norm.running_mean.any()) for norm in norms.values()] == [freeze == 'norm_eval']
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_generator_can_have_its_own_learning_rate():
    cfg = dict(optimizer=dict(type='AdamW', lr=1e-3), paramwise_cfg=dict(custom_keys={'.regions.': dict(lr_mult=0.1)}))
    model = MODELS.build(dict(recognizer(FORM), _scope_='mmaction'))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optim_wrapper(model, cfg).optimizer.param_groups
    rates = {names[id(parameter)]: group['lr'] for group in groups for parameter in group['params']}
    own = {name for name, rate in rates.items() if rate == pytest.approx(1e-4)}
    assert own == {name for name in rates if name.startswith(GENERATOR)} and len(own) > 10


def test_fused_it_computes_the_same():
    model = awake()
    with torch.no_grad():
        torch.testing.assert_close(dyreg_mmaction.fuse_for_inference(model)(frames(2)), model(frames(2)))


def test_exported_it_computes_the_same():
    model = awake()
    program = torch.export.export(model, (frames(2),), strict=False)
    torch.testing.assert_close(program.module()(frames(2)), model(frames(2)))


@pytest.mark.filterwarnings('ignore')
def test_onnx_computes_the_same(tmp_path):
    pytest.importorskip('onnx', reason='onnx is not installed')
    runtime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    model, path = awake(), str(tmp_path / 'model.onnx')
    torch.onnx.export(model, (frames(2),), path, dynamo=False)
    session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
    given = session.run(None, {session.get_inputs()[0].name: frames(2).numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(given), model(frames(2)).detach(), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_compiled_in_training_it_is_one_graph():
    model = awake().train()
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(frames(2)), model(frames(2)))
