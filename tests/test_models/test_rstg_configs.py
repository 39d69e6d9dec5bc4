"""RSTG's configs: each builds, and its data fits its model."""

from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

import dyreg_mmaction  # noqa: F401

ROOT = Path(__file__).parents[2] / 'configs'
SYNC_MNIST = sorted(path.stem for path in (ROOT / 'syncmnist').glob('*.py'))
REDUCED = sorted(f'reduced/{path.stem}' for path in (ROOT / 'syncmnist' / 'reduced').glob('*.py'))


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def load(name: str) -> Config:
    return Config.fromfile(ROOT / f'{name}.py')


def batch(cfg: Config, split: str, count: int) -> dict:
    dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
    return pseudo_collate([dataset[i] for i in range(count)])


@pytest.mark.parametrize('name', [name for name in SYNC_MNIST if '_3digits' not in name])
def test_syncmnist_config_trains_and_predicts_on_its_data(name):
    cfg = load(f'syncmnist/{name}')
    cfg.train_dataloader.dataset.num_frames = cfg.val_dataloader.dataset.num_frames = 2
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(batch(cfg, 'train', 1), training=True)
    loss = model(**data, mode='loss')['loss_cls']
    loss.backward()
    assert loss.isfinite() and all(p.grad is not None for p in model.parameters())
    model.eval()
    with torch.no_grad():
        scores = model.val_step(batch(cfg, 'val', 1))[0].pred_score
    assert scores.shape == (46,)


@pytest.mark.parametrize('name', [name for name in SYNC_MNIST if '_3digits' in name])
def test_configs_of_3_and_of_5_digits_differ_in_nothing_else(name):
    three, five = load(f'syncmnist/{name}'), load(f'syncmnist/{name.removesuffix("_3digits")}')
    for split in ('train', 'val', 'test'):
        assert three[f'{split}_dataloader'].dataset.num_digits == 3
        assert five[f'{split}_dataloader'].dataset.num_digits == 5
        three[f'{split}_dataloader'].dataset.num_digits = 5
    assert three.to_dict() == five.to_dict()


@pytest.mark.parametrize(
    'name, changed',
    [
        ('positional', dict(positional=True)),
        ('1-temp', dict(stages='1-temp')),
        ('space-only', dict(stages='space-only')),
        ('time-only', dict(stages='time-only')),
        ('homogenous', dict(stages='homogenous')),
    ],
)
def test_ablations_differ_from_the_full_model_in_one_option(name, changed):
    full, ablation = load('syncmnist/rstg_all-temp'), load(f'syncmnist/rstg_{name}')
    full.model.cls_head.graph.update(changed)
    assert ablation.to_dict() == full.to_dict()


@pytest.mark.parametrize('stages', ['space-only', 'time-only'])
def test_reduced_ablations_differ_from_the_reduced_model_in_one_option(stages):
    full, ablation = load('syncmnist/reduced/rstg_all-temp'), load(f'syncmnist/reduced/rstg_{stages}')
    full.model.cls_head.graph.stages = stages
    assert ablation.to_dict() == full.to_dict()


@pytest.mark.parametrize(
    'name, places',
    [
        ('res2', {'layer1-1': (55, 55)}),
        ('res3', {'layer2-2': (28, 28)}),
        ('res4', {'layer3-4': (14, 14)}),
        ('res3-4', {'layer2-2': (28, 28), 'layer3-4': (14, 14)}),
    ],
)
def test_something_something_configs_put_rstg_where_the_name_says(name, places):
    cfg = load(f'c2d_r50_rstg-{name}_sthv1')
    model = MODELS.build(cfg.model)
    assert {name: plugin.feature_size for name, plugin in model.backbone.plugins.items()} == places
    plugins = cfg.model.backbone.pop('plugins')
    assert {plugin.type for plugin in plugins} == {'RSTG'}
    baseline = load('c2d_r50_sthv1')
    baseline.model.backbone.type = 'DyRegC2D'
    assert cfg.to_dict() == baseline.to_dict()


def test_something_something_to_vec_config_classifies_the_graph():
    head = MODELS.build(load('c2d_r50_rstg-vec_sthv1').model).cls_head
    assert head(torch.randn(1, 2048, 2, 7, 7)).shape == (1, 174)


@pytest.mark.slow
@pytest.mark.parametrize('name', REDUCED)
def test_loss_of_reduced_config_falls_on_a_few_clips(name):
    cfg = load(f'syncmnist/{name}')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    data = batch(cfg, 'train', 8)
    losses = [model.train_step(data, optim_wrapper)['loss'].item() for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
