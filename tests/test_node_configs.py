"""Configs that compare kinds of nodes, for MultiSyncMNIST and for Something-Something."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope

import dyreg_mmaction  # noqa: F401
from dyreg_mmaction.registry import DATASETS, MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'
DIGITS = sorted(path.stem for path in (CONFIGS / 'multisyncmnist').glob('*.py'))
PLUGGED = [name for name in DIGITS if name != 'r18']
REDUCED = sorted(path.stem for path in (CONFIGS / 'multisyncmnist' / 'reduced').glob('*.py'))
SMALL_CONFIGS = sorted(
    f'{folder}/{path.stem}'
    for folder in ('small', 'small_classifier', 'reduced_classifier')
    for path in (CONFIGS / 'multisyncmnist' / folder).glob('*.py')
)
NODES_NEEDED = sorted(path.stem for path in (CONFIGS / 'mini_something' / 'reduced').glob('r18-2d*.py'))
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def load(name: str) -> Config:
    folder = 'multisyncmnist' if name in DIGITS else '.'
    return Config.fromfile(CONFIGS / folder / f'{name}.py')


def count(name: str) -> int:
    return sum(parameter.numel() for parameter in MODELS.build(load(name).model).parameters())


@pytest.mark.parametrize(
    'name, millions',
    [('r18', 2.79), ('r18_fixed', 2.82), ('r18_semantic', 2.85), ('r18_dyreg-lite', 2.83), ('r18_dyreg', 3.08)],
)
def test_parameters_are_those_of_table_6(name, millions):
    assert round(count(name) / 1e6, 2) == millions


def test_backbone_is_resnet18_without_its_last_stage():
    assert count('r18') == 2_790_904


@pytest.mark.parametrize('name', ['r18_conv-lstm', 'r18_non-local'])
def test_baselines_have_as_many_parameters_as_dyreg(name):
    assert count(name) == pytest.approx(count('r18_dyreg'), rel=0.01)


def test_fixed_models_have_the_parameters_of_table_1():
    for name, millions in (('tsm_r50_dyreg-fixed_sthv2', 26.519), ('tsm_r50_dyreg-fixed-r4_sthv2', 24.904)):
        cfg = load(name)
        cfg.model.backbone.pretrained = None
        model = MODELS.build(cfg.model)
        assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=5e-4)


def dyreg(**options) -> dict:
    """DyReg-GNN with other options of its regions."""
    return node(dict(type='DynamicRegions', hidden_channels=32, **options))


def node(regions: dict, **options) -> dict:
    """DyReg-GNN with other regions."""
    return dict(type='DyRegGNN', after='layer2.1', node_channels=32, regions=regions, **options)


# plugin of each config instead of that of r18_dyreg
PLUGINS = {
    'r18_dyreg': dyreg(),
    'r18_dyreg-n5': dyreg() | dict(num_nodes=5),
    'r18_dyreg-n16': dyreg() | dict(num_nodes=16),
    'r18_dyreg-lite': dyreg(heads='pool'),
    'r18_dyreg-grid': dyreg(reference='grid'),
    'r18_dyreg-constant-time': dyreg(time='constant'),
    'r18_dyreg-no-recurrence': dyreg(recurrent=False),
    'r18_dyreg-position-only': dyreg(predict_size=False),
    **{f'r18_dyreg-position-only-l{lam}': dyreg(predict_size=False, half_size=1 / lam) for lam in (6, 7, 8, 11, 16)},
    'r18_static': node(dict(type='StaticRegions', hidden_channels=32)),
    'r18_semantic': node(dict(type='SemanticMaps')),
    'r18_keypoints': node(dict(type='KeypointRegions')),
    'r18_boxes': node(dict(type='BoxRegions')),
    'r18_fixed': node(dict(type='FixedRegions'), kernel='area'),
    'r18_fixed-tent': node(dict(type='FixedRegions', half_size=1 / 6 + 2 / 16)),
    'r18_conv-lstm': dict(type='DyRegConvLSTM', after='layer2.1', hidden_channels=94, stride=2),
    'r18_non-local': dict(type='DyRegNonLocal', after='layer2.1', num_blocks=4, reduction=1, sub_sample=True),
}


def test_every_config_is_in_the_table_of_plugins():
    assert set(PLUGINS) == {name for name in PLUGGED if not name.endswith('digits')}


@pytest.mark.parametrize('name', PLUGINS)
def test_models_differ_in_plugins_only(name):
    cfg, expected = load(name).to_dict(), load('r18').to_dict()
    expected['model']['backbone']['plugins'] = [PLUGINS[name]]
    if name == 'r18_boxes':
        expected['model']['type'] = 'RegionRecognizer2D'
        expected['pipeline'] = [
            dict(type='LoadBoxes'),
            dict(type='FormatShape', input_format='NCHW'),
            dict(type='PackActionInputs', algorithm_keys=('boxes',)),
        ]
        for loader in LOADERS:
            expected[loader]['dataset']['pipeline'] = expected['pipeline']
    assert cfg == expected


@pytest.mark.parametrize('model', ['dyreg', 'fixed'])
@pytest.mark.parametrize('num_digits', [3, 9])
def test_configs_with_other_numbers_of_digits_differ_in_that_only(model, num_digits):
    expected = load(f'r18_{model}').to_dict()
    for loader in LOADERS:
        assert expected[loader]['dataset']['num_digits'] == 5
        expected[loader]['dataset']['num_digits'] = num_digits
    assert load(f'r18_{model}_{num_digits}digits').to_dict() == expected


@pytest.mark.parametrize(
    'plain, place, variants',
    [
        ('multisyncmnist/reduced/r18', 'layer2.1', ('fixed', 'fixed-tent', 'dyreg')),
        ('mini_something/reduced/r18', 'layer1.1', ('fixed', 'fixed-tent', 'dyreg')),
        ('mini_something/reduced/swin', 'layers.0.blocks.3', ('dyreg',)),
    ],
)
def test_reduced_models_differ_in_plugins_and_evaluation_only(plain, place, variants):
    baseline = load(plain).to_dict()
    for variant in variants:
        cfg = load(f'{plain}_{variant}').to_dict()
        (plugin,) = cfg['model']['backbone'].pop('plugins')
        assert plugin['after'] == place, variant
        for key in ('val_evaluator', 'test_evaluator'):
            assert cfg.pop(key) == [dict(type='AccMetric'), dict(type='ObjectDistance')]
        cfg.pop('custom_hooks')
        assert cfg == {key: value for key, value in baseline.items() if key in cfg}, variant


@pytest.mark.parametrize(
    'name, kind',
    [
        ('multisyncmnist/reduced/r18_dyreg-motion-stays', 'MotionLikelihood'),
        ('multisyncmnist/reduced/r18_dyreg-motion-ends', 'MotionLikelihood'),
        ('multisyncmnist/reduced/r18_dyreg-boxes', 'BoxLikelihood'),
        ('mini_something/reduced/r18_dyreg-motion-ends', 'MotionLikelihood'),
        ('mini_something/reduced/r18_dyreg-motion-stays', 'MotionLikelihood'),
        ('mini_something/reduced/r18_dyreg-boxes', 'BoxLikelihood'),
        ('mini_something/reduced/swin_dyreg-motion-stays', 'MotionLikelihood'),
        ('mini_something/reduced/r18-2d_dyreg-motion-stays', 'MotionLikelihood'),
    ],
)
def test_region_loss_configs_only_add_a_loss(name, kind):
    plain, taught = load(f'{name.partition("_dyreg-")[0] + "_dyreg"}').to_dict(), load(name).to_dict()
    assert [loss['type'] for loss in taught['model'].pop('region_losses')] == [kind]
    assert (plain['model'].pop('type'), taught['model'].pop('type')) == ('Recognizer3D', 'RegionRecognizer3D')
    assert taught == plain


@pytest.mark.parametrize(
    'name',
    [
        'multisyncmnist/small/cnn_dyreg',
        'multisyncmnist/reduced/r18_dyreg-label',
        'mini_something/reduced/r18_dyreg-label',
    ],
)
def test_label_configs_use_the_preset(name):
    preset, cfg = Config.fromfile(CONFIGS / '_base_/class_label.py').to_dict(), load(name).to_dict()
    plugin = cfg['model']['neck']['plugin'] if 'neck' in cfg['model'] else cfg['model']['backbone']['plugins'][0]
    assert preset['label_plugin'].items() <= plugin.items()
    assert preset['label_regions'].items() <= plugin['regions'].items()
    assert not preset.keys() & cfg.keys()


def test_options_and_warm_start_of_mini_something_add_up():
    label, both, stays = (
        load(f'mini_something/reduced/r18_dyreg-{name}').model.to_dict()
        for name in ('label', 'label-motion-stays', 'motion-stays')
    )
    assert both == label | {key: stays[key] for key in ('type', 'region_losses')}


@pytest.mark.parametrize('folder', ['small_classifier', 'reduced_classifier'])
@pytest.mark.parametrize(
    'kind',
    ['fixed', 'static', 'dyreg-constant-time', 'dyreg-position-only', 'dyreg', 'semantic', 'dyreg-lite', 'boxes'],
)
def test_configs_with_a_node_classifier_differ_in_the_regions_only(folder, kind):
    plain, cfg = (load(f'multisyncmnist/{folder}/cnn{suffix}').to_dict() for suffix in ('', f'_{kind}'))
    plugin = cfg['model']['neck']['plugin']
    regions, kernel = plugin.pop('regions'), plugin.pop('kernel', 'tent')
    assert (kernel == 'area') == (regions['type'] == 'FixedRegions') == (kind == 'fixed')
    assert plain['model']['node_classifier'] == dict(weight=1.0)
    if kind == 'boxes':
        num_boxes = [cfg[loader]['dataset'].pop('pipeline')[0]['num_boxes'] for loader in LOADERS]
        assert num_boxes == 3 * [plugin['num_nodes']]
        for loader in LOADERS:
            del plain[loader]['dataset']['pipeline']
        del plain['pipeline'], cfg['pipeline']
    assert cfg == plain


def test_reduced_task_is_the_same_with_a_node_classifier():
    one, other = (load(f'multisyncmnist/{name}').to_dict() for name in ('reduced/r18', 'reduced_classifier/cnn'))
    for loader in LOADERS:
        task = [{k: v for k, v in cfg[loader]['dataset'].items() if k != 'pipeline'} for cfg in (one, other)]
        assert task[1].items() <= ({'walk': 'random'} | task[0]).items()


@pytest.mark.parametrize('name', ['r18', 'r18-2d'])
def test_node_classifier_is_added_to_the_options(name):
    label, classified = (
        load(f'mini_something/reduced/{name}_dyreg-{kind}').to_dict() for kind in ('label', 'label-classifier')
    )
    assert classified['model'].pop('node_classifier') == dict(weight=1.0)
    assert classified['model'].pop('type') == 'Region' + label['model'].pop('type')
    assert classified == label


@pytest.mark.parametrize('name', NODES_NEEDED)
def test_models_that_need_nodes_differ_in_their_kernels_only(name):
    cfg, temporal = (load(f'mini_something/reduced/{kind}').to_dict() for kind in (name, name.replace('-2d', '')))
    assert cfg['model']['backbone'].pop('inflate') == (0, 0, 0)
    assert temporal['model']['backbone'].pop('inflate') == (1, 1, 1)
    assert cfg == temporal


@pytest.mark.parametrize(
    'name', ['multisyncmnist/reduced/r18', 'syncmnist/reduced/rstg_all-temp', 'mini_something/reduced/r18-2d']
)
def test_reduced_backbones_have_independent_frames(name):
    backbone = MODELS.build(load(name).model.backbone)
    backbone.eval()
    clip = torch.randn(1, backbone.conv1.conv.in_channels, 6, 64, 64)
    other = clip.clone()
    other[:, :, 2] += 1
    changed = (backbone(clip) != backbone(other)).flatten(3).any(-1).any(1)
    assert changed.tolist() == [[frame == 2 for frame in range(6)]]


def half_size(name: str, side: int) -> torch.Tensor:
    """Return the half sizes of the regions of a new model on a map of a given size."""
    (plugin,) = MODELS.build(load(name).model).backbone.plugins.values()
    return plugin.regions(torch.randn(1, 1, 32, side, side)).half_size


@pytest.mark.parametrize(
    'folder, side', [('multisyncmnist', 16), ('multisyncmnist/reduced', 8), ('mini_something/reduced', 16)]
)
def test_fixed_tents_are_the_initial_tents_of_dyreg(folder, side):
    fixed, start = (half_size(f'{folder}/{name}', side) for name in ('r18_fixed-tent', 'r18_dyreg'))
    torch.testing.assert_close(fixed, start)


@pytest.mark.parametrize('lam', [6, 7, 8, 11, 16])
def test_position_only_rows_have_half_sizes_of_h_over_lambda(lam):
    sizes = half_size(f'r18_dyreg-position-only-l{lam}', 16)
    torch.testing.assert_close(sizes, torch.full((1, 1, 9, 2), 16 / lam))


def test_keypoints_have_the_size_of_the_compared_config():
    torch.testing.assert_close(half_size('r18_keypoints', 16), half_size('r18_dyreg-position-only-l8', 16))


def few_digits(cfg: Config) -> tuple[Config, list[dict]]:
    """Return the config at a quarter of the area with 3 frames, and a batch of its training data."""
    cfg.model.backbone.update(input_size=64, num_segments=3)
    cfg.model.cls_head.dropout_ratio = 0
    cfg.train_dataloader.dataset.update(num_frames=3, frame_size=64)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    return cfg, [dataset[index] for index in range(3)]


def losses(cfg: Config, samples: list[dict], steps: int) -> list[float]:
    """Return the losses of repeated training steps on one batch."""
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    optim_wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3))
    batch = pseudo_collate(samples)
    return [model.train_step(batch, optim_wrapper)['loss'].item() for _ in range(steps)]


@pytest.mark.slow
@pytest.mark.parametrize('name', DIGITS)
def test_multisyncmnist_config_learns(name):
    course = losses(*few_digits(load(name)), steps=4)
    assert course[-1] < 0.8 * course[0], course


@pytest.mark.slow
@pytest.mark.parametrize('name', REDUCED)
def test_reduced_config_learns(name):
    cfg = load(f'multisyncmnist/reduced/{name}')
    MessageHub.get_current_instance().update_info_dict(dict(iter=0, max_iters=1))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    course = losses(cfg, [dataset[index] for index in range(8)], steps=8)
    assert course[-1] < 0.8 * course[0], course


@pytest.mark.parametrize('name', SMALL_CONFIGS)
def test_small_config_learns(name):
    cfg = load(f'multisyncmnist/{name}')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    course = losses(cfg, [dataset[index] for index in range(8)], steps=20)
    assert course[-1] < 0.9 * course[0], course


@pytest.mark.parametrize('name', [*NODES_NEEDED, 'r18_dyreg-label-motion-stays'])
def test_mini_something_config_learns(name):
    cfg = load(f'mini_something/reduced/{name}')
    cfg.model.cls_head.dropout_ratio = 0
    MessageHub.get_current_instance().update_info_dict(dict(iter=0, max_iters=1))
    samples = [
        dict(
            inputs=torch.full((1, 3, 4, 64, 64), 60 * label, dtype=torch.uint8),
            data_samples=ActionDataSample(gt_label=torch.tensor([label])),
        )
        for label in range(4)
    ]
    course = losses(cfg, samples, steps=12)
    assert course[-1] < 0.9 * course[0], course


@pytest.fixture(scope='module')
def something(tmp_path_factory) -> Path:
    """Write two videos of noise, a list, and boxes of one object per video."""
    folder = tmp_path_factory.mktemp('something')
    rng = np.random.default_rng(0)
    (folder / 'boxes').mkdir()
    for name in ('a', 'b'):
        writer = cv2.VideoWriter(str(folder / f'{name}.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 12, (96, 72))
        for frame in rng.integers(0, 255, (20, 72, 96, 3), dtype=np.uint8):
            writer.write(frame)
        writer.release()
        frames = [
            dict(name=f'{name}/{n:04}.jpg', labels=[dict(box2d=dict(x1=10 + n, y1=10, x2=40 + n, y2=50), score=0.9)])
            for n in range(1, 21)
        ]
        (folder / 'boxes' / f'{name}.json').write_text(json.dumps({name: frames}))
    (folder / 'list.txt').write_text('a.avi 0\nb.avi 1\n')
    return folder


def few_frames(name: str, folder: Path, loader: str) -> tuple[Config, list[dict]]:
    """Return a Something-Something config with 2 frames of 64 x 64 pixels, and a batch of the two videos."""
    cfg = load(name)
    cfg.model.backbone.update(pretrained=None, num_segments=2, input_size=64)
    cfg.model.cls_head.update(num_segments=2, dropout_ratio=0)
    dataset = cfg[f'{loader}_dataloader'].dataset
    dataset.update(ann_file=str(folder / 'list.txt'), data_prefix=dict(video=str(folder)))
    pipeline = [step for outer in dataset.pipeline for step in (outer, *outer.get('transforms', []))]
    for step in pipeline:
        step.update({key: value for key, value in SMALL.get(step.type, {}).items() if step.get('scale') != (224, 224)})
        if step.get('scale') == (224, 224):
            step.scale = (64, 64)
        if step.type == 'LoadBoxes':
            step.ann_file = str(folder / 'boxes')
    built = DATASETS.build(dataset)
    return cfg, [built[index] for index in range(2)]


SMALL = dict(
    SampleFrames=dict(num_clips=2),
    Resize=dict(scale=(-1, 72)),
    MultiScaleCrop=dict(input_size=64),
    CenterCrop=dict(crop_size=64),
    ThreeCrop=dict(crop_size=72),
)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['fixed', 'fixed-r4', 'detector'])
def test_something_config_learns(kind, something):
    course = losses(*few_frames(f'tsm_r50_dyreg-{kind}_sthv2', something, 'train'), steps=4)
    assert course[-1] < 0.8 * course[0], course


@pytest.mark.slow
@pytest.mark.parametrize('loader, views', [('val', 1), ('test', 6)])
def test_detected_boxes_of_every_view(loader, views, something):
    cfg, samples = few_frames('tsm_r50_dyreg-detector_sthv2', something, loader)
    assert samples[0]['data_samples'].boxes.shape == (views, 2, 9, 4)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        predictions = model.test_step(pseudo_collate(samples))
    assert predictions[0].pred_score.shape == (174,)
