"""Weight of a region loss over the training."""

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from dyreg_mmaction.models.losses import MotionLikelihood, Phase, PhasedLoss
from dyreg_mmaction.models.regions import FixedRegions, StaticRegions
from dyreg_mmaction.ops import Regions

SOURCES = {'a': StaticRegions(), 'b': StaticRegions(), 'grid': FixedRegions()}


@pytest.fixture
def hub(monkeypatch):
    """Use a separate message hub."""
    own = MessageHub('test_phase')
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: own)
    return own


@pytest.mark.parametrize(
    ('ending', 'weights'),
    [
        ('step', [3, 3, 3, 3, 1, 1]),
        ('linear', [3, 3, 3, 2, 1, 1]),
        ('cosine', [3, 3, 3, 2, 1, 1]),
    ],
)
def test_weight_for_each_ending(ending, weights):
    phase = Phase(3.0, until=0.4, ending=ending, remain=1.0)
    assert [phase.at(p) for p in (0, 0.1, 0.2, 0.3, 0.4, 1)] == pytest.approx(weights)


@pytest.mark.parametrize('until', [{}, dict(until=1)])
@pytest.mark.parametrize(
    ('options', 'weights'),
    [
        ({}, [3, 3, 3, 3]),
        (dict(ending='linear'), [3, 3, 1.5, 0]),
        (dict(ending='cosine'), [3, 3, 1.5, 0]),
        (dict(ending='step'), [3, 3, 3, 0]),
        (dict(remain=1.0), [3, 3, 2, 1]),
        (dict(remain=0), [3, 3, 1.5, 0]),
        (dict(ending='linear', remain=3.0), [3, 3, 3, 3]),
    ],
)
def test_ending_and_remain_with_until_1(until, options, weights, hub):
    loss = PhasedLoss(dict(type=MotionLikelihood, weight=3.0, **until, **options), SOURCES, nn.Identity())
    for done, weight in zip((0, 50, 75, 100), weights, strict=True):
        hub.update_info_dict(dict(iter=done, max_iters=100))
        assert loss.weight == pytest.approx(weight)


def test_endings_differ_before_the_end():
    linear, cosine = (Phase(1.0, until=0.5, ending=ending).at(0.3125) for ending in ('linear', 'cosine'))
    assert linear == pytest.approx(0.75) and cosine == pytest.approx((1 + 0.5**0.5) / 2)


def test_weight_follows_the_runner(hub):
    loss = PhasedLoss(dict(type=MotionLikelihood, weight=0.3, until=0.4), SOURCES, nn.Identity())
    hub.update_info_dict(dict(iter=20, max_iters=100))
    assert loss.weight == 0.3
    hub.update_info('iter', 30)
    assert loss.weight == pytest.approx(0.15)
    hub.update_info('iter', 40)
    assert loss.weight == 0


def test_loss_is_multiplied_by_its_weight(hub):
    regions = {path: Regions(torch.full((1, 3, 2, 2), 4.0), torch.ones(1, 3, 2, 2), (8, 8)) for path in 'ab'}
    frames = torch.rand(1, 3, 3, 16, 16)
    hub.update_info_dict(dict(iter=30, max_iters=100))
    (whole, _), (ending, measures) = (
        PhasedLoss(dict(type=MotionLikelihood, steady=False, **phase), SOURCES, nn.Identity())(regions, frames, [])
        for phase in ({}, dict(weight=0.3, until=0.4))
    )
    torch.testing.assert_close(ending, 0.15 * whole)
    assert whole > 0 and measures['weight'] == pytest.approx(0.15)


def test_missing_progress_raises_an_error_unless_weight_is_constant(hub):
    with pytest.raises(RuntimeError, match='needs the training progress, which .*; train with MMEng'):
        _ = PhasedLoss(dict(type=MotionLikelihood, until=0.4), SOURCES, nn.Identity()).weight
    assert PhasedLoss(dict(type=MotionLikelihood, weight=0.1), SOURCES, nn.Identity()).weight == 0.1


def test_plugins_are_all_learned_or_the_selected_ones():
    assert PhasedLoss(dict(type=MotionLikelihood), SOURCES, nn.Identity()).plugins == ['a', 'b']
    assert PhasedLoss(dict(type=MotionLikelihood, plugins=['b']), SOURCES, nn.Identity()).plugins == ['b']


@pytest.mark.parametrize(
    ('cfg', 'sentence'),
    [
        (dict(weight=-1), 'weight of a region loss is -1, but must be above 0'),
        (dict(until=40), 'until is 40, but must be a fraction of training'),
        (dict(ending='soft'), "ending='soft' is unknown; choose one of"),
        (dict(weight=0.3, remain=0.4), r'remain is 0.4, but must be between 0 and weight=0.3'),
        (dict(weight='0.3'), "region loss has weight='0.3', but it must be a number"),
        (dict(release='False'), "region loss has release='False', but it must be True or False"),
        (dict(remain=True), 'region loss has remain=True, but it must be a number or None'),
        (dict(plugins=['c']), r"'c' has no learned regions; choose from \['a', 'b'\]"),
        (dict(plugins=['grid']), "'grid' has no learned regions"),
    ],
)
def test_invalid_options_raise_errors(cfg, sentence):
    with pytest.raises(ValueError, match=sentence):
        PhasedLoss(dict(type=MotionLikelihood, **cfg), SOURCES, nn.Identity())


@pytest.mark.parametrize('sources', [{}, {'grid': FixedRegions()}])
def test_model_without_learned_regions_raises_an_error(sources: dict[str, nn.Module]):
    with pytest.raises(ValueError, match='region_losses require a plugin with learned regions'):
        PhasedLoss(dict(type=MotionLikelihood), sources, nn.Identity())
