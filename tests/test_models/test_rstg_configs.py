"""RSTG's configs can be built, and their data match their models."""

import re
from pathlib import Path

import cv2
import numpy as np
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
FIVE_DIGITS = [name for name in SYNC_MNIST if '_3digits' not in name]
SMALLER = [f'{kind}/{path.stem}' for kind in ('reduced', 'small') for path in (ROOT / 'syncmnist' / kind).glob('*.py')]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def load(name: str) -> Config:
    return Config.fromfile(ROOT / f'{name}.py')


def batch(cfg: Config, split: str, count: int) -> dict:
    dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
    return pseudo_collate([dataset[i] for i in range(count)])


def shorten(cfg: Config) -> None:
    """Train on clips of two frames."""
    cfg.train_dataloader.dataset.num_frames = 2
    if 'num_segments' in cfg.model.cls_head:
        cfg.model.cls_head.num_segments = 2


def losses(cfg: Config, data: dict, steps: int) -> list[float]:
    """Return the losses of repeated steps on one batch."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    return [model.train_step(data, optim_wrapper)['loss'].item() for _ in range(steps)]


@pytest.mark.parametrize('name', FIVE_DIGITS)
def test_syncmnist_config_trains_and_predicts_on_its_data(name):
    cfg = load(f'syncmnist/{name}')
    cfg.val_dataloader.dataset.num_frames = 2
    shorten(cfg)
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
def test_configs_of_3_and_5_digits_only_differ_in_digits(name):
    three, five = load(f'syncmnist/{name}'), load(f'syncmnist/{name.removesuffix("_3digits")}')
    for split in ('train', 'val', 'test'):
        assert three[f'{split}_dataloader'].dataset.num_digits == 3
        assert five[f'{split}_dataloader'].dataset.num_digits == 5
        three[f'{split}_dataloader'].dataset.num_digits = 5
    assert three.to_dict() == five.to_dict()


@pytest.mark.parametrize('folder', ['', 'reduced/', 'small/'])
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
def test_ablations_differ_from_the_full_model_in_one_option(folder, name, changed):
    full, ablation = load(f'syncmnist/{folder}rstg_all-temp'), load(f'syncmnist/{folder}rstg_{name}')
    full.model.cls_head.graph.update(changed)
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
def test_something_something_configs_insert_rstg_as_named(name, places):
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


def test_parameters_are_those_of_the_docs():
    rows = re.findall(
        r'^\| `([\w-]+)` \| ([\d.]+) \|$', (ROOT.parent / 'docs' / 'research' / 'rstg.md').read_text(), re.MULTILINE
    )
    models = {name: MODELS.build(load(f'syncmnist/{name}').model) for name in FIVE_DIGITS}
    counts = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    assert dict(rows) == {name: f'{count / 1e6:.2f}' for name, count in counts.items()}
    for name in ('i3d', 'non-local', 'conv-lstm'):
        assert counts[name] == pytest.approx(counts['rstg_all-temp'], rel=0.15), name


@pytest.mark.parametrize('name', sorted(SMALLER))
def test_loss_of_smaller_config_decreases(name):
    cfg = load(f'syncmnist/{name}')
    course = losses(cfg, batch(cfg, 'train', 8), steps=30)
    assert course[-1] < 0.9 * course[0]


# ablations differ in one option of the graph
@pytest.mark.slow
@pytest.mark.parametrize('name', ['rstg_all-temp', 'i3d', 'non-local', 'conv-lstm', 'mean-lstm'])
def test_loss_of_syncmnist_config_decreases(name):
    cfg = load(f'syncmnist/{name}')
    cfg.optim_wrapper.optimizer.lr = 5e-4  # large enough for four steps
    cfg.train_dataloader.dataset.frame_size = 48
    shorten(cfg)
    course = losses(cfg, batch(cfg, 'train', 2), steps=4)
    assert course[-1] < 0.97 * course[0], course


@pytest.fixture(scope='module')
def something(tmp_path_factory) -> Path:
    """Write two videos of noise as folders of frames, and a list."""
    folder = tmp_path_factory.mktemp('something')
    rng = np.random.default_rng(0)
    for name in ('1', '2'):
        (folder / name).mkdir()
        for index, frame in enumerate(rng.integers(0, 255, (4, 72, 96, 3), dtype=np.uint8)):
            cv2.imwrite(str(folder / name / f'{index + 1:05}.jpg'), frame)
    (folder / 'list.txt').write_text('1 4 0\n2 4 1\n')
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('name', ['c2d_r50_sthv1', 'c2d_r50_rstg-res3-4_sthv1', 'c2d_r50_rstg-vec_sthv1'])
def test_loss_of_something_config_decreases(name, something):
    cfg = load(name)
    cfg.model.backbone.update(pretrained=None, norm_eval=False)  # without pretraining there are no statistics to keep
    cfg.model.cls_head.dropout_ratio = 0
    cfg.optim_wrapper = dict(optimizer=dict(type='Adam', lr=5e-4))
    dataset = cfg.train_dataloader.dataset
    dataset.update(ann_file=str(something / 'list.txt'), data_prefix=dict(img=str(something)))
    small = dict(UniformSample=dict(clip_len=4), MultiScaleCrop=dict(input_size=64))
    for step in dataset.pipeline:
        step.update(small.get(step.type, {}))
        if step.get('scale') == (224, 224):
            step.scale = (64, 64)
    course = losses(cfg, batch(cfg, 'train', 2), steps=4)
    assert course[-1] < 0.8 * course[0], course
