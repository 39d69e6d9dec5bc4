"""Logged statistics of regions and early warnings."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from region_runs import config, digits, recognizer

from dyreg_mmaction.engine.hooks import watch_regions

GRID = dict(type='DynamicRegions', hidden_channels=8, reference='grid')
PATH = 'layer1.0'
SAME = dict(type='RepeatDataset', times=12, dataset=digits(1))  # the same clip again and again
NUMBERS = ('shift', 'motion', 'spread', 'half_size', 'residual', 'dependence')
MOTION = dict(type='MotionLikelihood', weight=1.0)


def run(
    work_dir,
    iterations=6,
    regions=GRID,
    lr=0.05,
    prepare=None,
    region_losses=(MOTION,),
    batch_size=2,
    dataset=None,
    others=(dict(type='FixedRegions'),),
    **kwargs,
):
    """Return a runner after training. ``prepare`` can change its model first."""
    model = recognizer(regions, *others, region_losses=region_losses)
    # one epoch: between epochs MMEngine's loop sleeps
    sampler = dict(type='DefaultSampler', shuffle=False)
    loader = dict(dataset=dataset or digits(12), batch_size=batch_size, num_workers=0, sampler=sampler)
    hooks = [dict(type='WatchRegionsHook', interval=2, warn_at=0.5)]
    cfg = config(
        work_dir,
        model,
        digits(2),
        train_dataloader=loader,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=lr)),
        **{**dict(custom_hooks=hooks), **kwargs},
    )
    runner = Runner.from_cfg(cfg)
    with torch.no_grad():
        (prepare or (lambda plugin: None))(runner.model.backbone.plugins['layer1-0'])
    runner.train()
    return runner


@pytest.fixture(autouse=True, scope='module')
def short():
    """Allow warnings in trainings of a few iterations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch_regions, 'MIN_ITERS', 1)
        yield


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    return run(tmp_path_factory.mktemp('run'))


def history(runner, key):
    return runner.message_hub.get_scalar(f'train/{PATH}/{key}').data[0].tolist()


def test_statistics_of_learned_regions_are_logged(trained):
    scalars = trained.message_hub.log_scalars
    assert {key for key in scalars if key.startswith(f'train/{PATH}/')} == {f'train/{PATH}/{n}' for n in NUMBERS}
    assert not any('layer1.1' in key and key.endswith(NUMBERS) for key in scalars)  # a fixed grid
    assert all(len(history(trained, name)) == 5 for name in NUMBERS)  # iterations 1, 2, 3 to warn, 4, 6


def test_statistics_of_regions_that_leave_the_grid(trained):
    shift, motion, spread, half, residual, depends = (history(trained, name) for name in NUMBERS)
    assert shift[0] == 0 < 0.005 < shift[-1]
    assert motion[0] == 0 < motion[-1]
    assert spread[0] == pytest.approx(0.125**0.5)  # 2 x 2 nodes at distance 0.25 from the middle along each axis
    assert half[0] == pytest.approx(1 / 6 + 2 / 16)
    assert residual[0] < residual[-1]
    assert all(0 < value < 1 for value in depends) and depends[0] > 0.5


def test_fractions_of_nodes_are_in_visual_backends_only(trained):
    (file,) = Path(trained.work_dir).glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    key = f'motion_likelihood/{PATH}/share_3'
    shares = [line[key] for line in lines if key in line]
    assert len(shares) == 5 and all(0 <= share <= 1 for share in shares)
    assert not any('share_3' in key for key in trained.message_hub.log_scalars)
    assert any(f'{PATH}/shift' in line for line in lines)


def test_nothing_is_recorded_between_intervals(tmp_path, monkeypatch):
    recorded = []
    stock = watch_regions.record_regions
    monkeypatch.setattr(watch_regions, 'record_regions', lambda model: recorded.append(1) or stock(model))
    run(tmp_path, iterations=6)
    assert len(recorded) == 5


def test_resumed_training_keeps_the_initial_regions(tmp_path):
    checkpoint = dict(checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False))
    first = run(tmp_path / 'a', iterations=4, default_hooks=checkpoint)
    again = run(tmp_path / 'b', iterations=6, resume=True, load_from=str(tmp_path / 'a/iter_4.pth'))
    assert again.message_hub.get_info(f'{PATH}/start') == first.message_hub.get_info(f'{PATH}/start')
    assert history(again, 'shift')[: len(history(first, 'shift'))] == history(first, 'shift')
    assert history(again, 'shift')[-1] > 0.005


@pytest.mark.parametrize(
    ('losses', 'advice'),
    [
        (
            (),
            "try model.type='RegionRecognizer2D' (or 3D) with node_classifier=dict(weight=1.0) or "
            "region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)], or a higher learning rate",
        ),
        ((MOTION,), 'try a larger weight of region_losses, or a higher learning rate of regions.predictor.alpha'),
    ],
)
def test_static_regions_warn(tmp_path, losses, advice):
    (sentence,) = listen(tmp_path, lr=0.0, region_losses=losses)
    assert sentence.startswith(
        "regions of plugin 'layer1.0' do not move: after 3 of 6 iterations the largest standard deviation"
    )
    assert advice in sentence


def test_intentionally_static_regions_do_not_warn(tmp_path):
    assert listen(tmp_path, lr=0.0, regions=dict(type='StaticRegions', hidden_channels=8, reference='grid')) == []


def test_collapsed_nodes_warn(tmp_path):
    def alike(plugin):
        head = plugin.regions.heads[1].fc
        for parameter in head.parameters():
            parameter.copy_(parameter.unflatten(0, (4, -1))[:1].expand(4, *[-1] * parameter.ndim).flatten(0, 1))
        plugin.regions.predictor.alpha.fill_(2)

    (sentence,) = listen(tmp_path, prepare=alike, regions=dict(GRID, reference='center'), lr=0.0)
    assert sentence.startswith("all nodes of plugin 'layer1.0' have collapsed to one point: after 3 of 6 iterations")
    assert "reference='grid'" in sentence and 'CenterRepulsion' in sentence


def hide_clip(plugin):
    """Make the vectors that predict regions almost constant."""
    torch.nn.init.normal_(plugin.regions.heads[1].fc.bias, std=1000)


def test_regions_that_no_longer_depend_on_the_clip_warn_with_the_option(tmp_path):
    (sentence,) = listen(tmp_path / 'released', prepare=hide_clip, lr=0.0)
    assert sentence.startswith("regions of plugin 'layer1.0' no longer depend on the clip: after 3 of 6 iterations")
    assert "with node_classifier=dict(weight=1.0), or regions=dict(type='DynamicRegions', standardize=True" in sentence
    standardized = dict(GRID, standardize=True, zero_init='weight', recurrent=False)

    def prepare(plugin):
        hide_clip(plugin)
        torch.nn.init.normal_(plugin.regions.predictor.fc.weight)

    assert listen(tmp_path / 'standardized', prepare=prepare, lr=0.0, regions=standardized) == []


def move(plugin):
    plugin.regions.predictor.alpha.fill_(1)


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(batch_size=1),
        dict(batch_size=1, regions=dict(GRID, time='constant')),  # regions of a clip do not move
        dict(dataset=SAME, regions=dict(GRID, time='constant')),
        dict(regions=dict(GRID, recurrent=False, standardize=True)),
    ],
)
def test_moving_regions_do_not_warn(tmp_path, kwargs):
    assert listen(tmp_path, prepare=move, lr=0.0, **kwargs) == []


def test_frozen_regions_do_not_warn(tmp_path):
    assert listen(tmp_path, prepare=lambda plugin: plugin.regions.requires_grad_(False)) == []


def test_first_iterations_do_not_warn(tmp_path, monkeypatch):
    monkeypatch.setattr(watch_regions, 'MIN_ITERS', 20)
    assert listen(tmp_path, lr=0.0) == []


def test_batches_of_one_clip_are_judged_together(tmp_path):
    (sentence,) = listen(tmp_path, prepare=hide_clip, lr=0.0, batch_size=1)
    assert sentence.startswith("regions of plugin 'layer1.0' no longer depend on the clip: after 4 of 6 iterations")


@pytest.mark.parametrize('standardize', [False, True])
def test_regions_that_move_alike_in_all_clips_warn(tmp_path, standardize):
    """From a zero state the GRU gives vectors that depend on the frame's index even if its input is constant."""

    def prepare(plugin):
        for parameter in plugin.regions.heads.parameters():
            torch.nn.init.zeros_(parameter)
        torch.nn.init.normal_(plugin.regions.norm_in.bias)
        move(plugin)

    (sentence,) = listen(tmp_path, prepare=prepare, lr=0.0, regions=dict(GRID, standardize=standardize))
    assert 'no longer depend on the clip: after 3 of 6' in sentence
    assert 'the largest standard deviation of a center over clips is 0.0000 of the frame' in sentence
    assert ('standardize=True, recurrent=False' in sentence) == standardize


def test_each_plugin_is_judged(tmp_path):
    sentences = listen(tmp_path, prepare=hide_clip, lr=0.0, others=(GRID,))
    assert [sentence.split(':')[0] for sentence in sentences] == [
        "regions of plugin 'layer1.0' no longer depend on the clip",
        "regions of plugin 'layer1.1' do not move",
    ]


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(interval=0), 'interval is 0, but must be an integer of at least 1'),
        (dict(interval='10'), "interval is '10', but must be an integer of at least 1"),
        (dict(warn_at=0), 'warn_at is 0, but must be a fraction of training, above 0 and at most 1'),
        (dict(warn_at='0.1'), "warn_at is '0.1', but must be a fraction"),
        (dict(warn_at=float('nan')), 'warn_at is nan, but must be a fraction'),
        (dict(warn_at=10), 'warn_at is 10, but must be a fraction'),
    ],
)
def test_invalid_options_raise_errors(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        watch_regions.WatchRegionsHook(**options)


def listen(work_dir, **kwargs):
    """Return the warnings of the hook in a run."""
    run(work_dir, **kwargs)
    (log,) = work_dir.glob('*/*.log')
    lines = [line.partition('WARNING - ')[2] for line in log.read_text().splitlines()]
    return [line for line in lines if 'of plugin' in line]
