"""Options of DyRegGNN with which later layers must use the nodes."""

import pytest
import torch

from dyreg_mmaction.models import DyRegGNN

REGIONS = dict(type='DynamicRegions', hidden_channels=8)


def build(**options):
    torch.manual_seed(0)
    return DyRegGNN(8, 7, 4, regions=REGIONS, **options)


def clips(number):
    return torch.randn(number, 8, 3, 7, 7, generator=torch.Generator().manual_seed(1))


def test_some_training_clips_get_the_nodes_only_and_the_others_the_sum():
    module, x = build(residual_scale=0.5, skip_dropout=0.25), clips(400)
    module.eval()
    with torch.no_grad():
        both = module(x)
        module.train()
        given = module(x)
    nodes = both - x
    dropped = (given - nodes).flatten(1).abs().amax(1) < 1e-4
    kept = (given - both).flatten(1).abs().amax(1) < 1e-4
    assert torch.equal(dropped, ~kept)
    assert dropped.float().mean() == pytest.approx(0.25, abs=0.07)


def test_without_dropout_training_uses_no_random_numbers_and_starts_as_the_identity():
    module, x = build(), clips(2)
    state = torch.get_rng_state()
    assert torch.equal(module.train()(x), x)
    assert torch.equal(torch.get_rng_state(), state)


def test_scale_of_the_residual_at_the_start():
    """The norm makes each frame of the residual a tensor of mean 0 and variance 1, times the scale."""
    residual = build(residual_scale=0.5)(clips(2)) - clips(2)
    torch.testing.assert_close(residual.var((1, 3, 4), correction=0), torch.full((2, 3), 0.25), rtol=0.05, atol=0)


@pytest.mark.parametrize('fraction', [-0.1, 1.0, '0.5'])
def test_fractions_out_of_range_raise(fraction):
    with pytest.raises(
        ValueError, match=f'skip_dropout is {fraction!r}, but must be a number of at least 0 and below 1'
    ):
        build(skip_dropout=fraction)


@pytest.mark.parametrize('scale', [float('nan'), '1'])
def test_residual_scale_that_is_no_number_raises(scale):
    with pytest.raises(ValueError, match=f'residual_scale is {scale!r}, but must be a finite number'):
        build(residual_scale=scale)


@pytest.mark.parametrize('position_gradient', [True, False])
def test_position_embedding_passes_gradients_to_regions_only_with_position_gradient(position_gradient):
    """In a constant map all places look alike, so nodes depend on regions by the position embedding only."""
    module = build(position_gradient=position_gradient)
    torch.nn.init.ones_(module.regions.predictor.alpha)
    nodes, _ = module.encode(torch.ones(2, 8, 3, 7, 7))
    nodes.square().sum().backward()
    assert module.position.weight.grad.abs().max() > 1e-4
    assert (module.regions.predictor.fc.weight.grad.abs().max() > 1e-4) == position_gradient


def test_places_that_nodes_are_written_to_pass_gradients_without_position_gradient():
    module = build(residual_scale=1.0, position_gradient=False)
    torch.nn.init.ones_(module.regions.predictor.alpha)
    module(torch.ones(2, 8, 3, 7, 7))[..., 0].square().sum().backward()  # constant, as in the test above
    assert module.regions.predictor.fc.weight.grad.abs().max() > 1e-4


def test_without_position_gradient_the_output_is_the_same():
    outputs = [build(residual_scale=1.0, position_gradient=flag)(clips(2)) for flag in (True, False)]
    assert torch.equal(*outputs)
