"""Property-based tests: regions and results stay finite and on the map for any input."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.models.regions import DynamicRegions
from dyreg_mmaction.ops import normalize, tent

few = settings(max_examples=15, deadline=None, derandomize=True)
sizes = st.tuples(st.integers(3, 12), st.integers(3, 12))
INPUTS = {
    'zeros': lambda shape: torch.zeros(shape),
    'constant': lambda shape: torch.full(shape, 0.7),
    'noise': lambda shape: torch.randn(shape).clamp(-3, 3) / 3,
    'one cell': lambda shape: torch.zeros(shape).index_fill_(-1, torch.tensor(0), 1),
}


@functools.lru_cache
def regions_of(size, nodes, heads, rnn):
    torch.manual_seed(0)
    module = DynamicRegions(8, size, nodes, hidden_channels=8, heads=heads, rnn=rnn)
    torch.nn.init.normal_(module.predictor.alpha)
    return module


def assert_on_map(regions, size):
    center, half_size, _ = regions
    height, width = size
    assert center.dtype == half_size.dtype == torch.float32
    assert center.isfinite().all() and half_size.isfinite().all() and (half_size >= 1).all()
    assert (center >= 0).all() and (center[..., 0] <= width - 1).all() and (center[..., 1] <= height - 1).all()
    for axis, cells in enumerate((width, height)):
        weights = normalize(tent(center[..., axis], half_size[..., axis], cells)).sum(-1)
        torch.testing.assert_close(weights, torch.ones_like(weights))


@few
@given(
    trained=st.sampled_from([(3, 3), (7, 7), (6, 11)]),
    size=sizes,
    clip=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    nodes=st.sampled_from([1, 2, 9]),
    kind=st.sampled_from(sorted(INPUTS)),
    parts=st.sampled_from([('fc', 'gru'), ('pool', 'lstm')]),
    # the largest float16 is 6.5e4, which a sum over cells and channels must not reach
    number=st.sampled_from(
        [(torch.float32, 1e15), (torch.float32, 1e-30), (torch.float16, 1e3), (torch.bfloat16, 1e15)]
    ),
)
def test_regions_are_finite_and_on_the_map(trained, size, clip, nodes, kind, parts, number):
    dtype, scale = number
    module = regions_of(trained, nodes, *parts)
    x = INPUTS[kind]((*clip, 8, *size)) * scale
    with torch.no_grad(), torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
        assert_on_map(module(x), size)


@few
@given(
    size=sizes,
    time=st.integers(1, 3),
    nodes=st.sampled_from([1, 4]),
    kind=st.sampled_from(sorted(INPUTS)),
    scale=st.sampled_from([1e-20, 1, 1e6]),
    kernel=st.sampled_from(['tent', 'area']),
)
def test_module_and_its_gradients_are_finite(size, time, nodes, kind, scale, kernel):
    torch.manual_seed(0)
    regions = dict(type='DynamicRegions', hidden_channels=8)
    module = DyRegGNN(8, (7, 7), nodes, regions=regions, kernel=kernel)
    for parameter in (module.norm.weight, module.regions.predictor.alpha):
        torch.nn.init.normal_(parameter)
    x = (INPUTS[kind]((1, time, 8, *size)) * scale).transpose(1, 2).requires_grad_()
    y = module(x)
    assert y.shape == x.shape and y.isfinite().all()
    y.sum().backward()
    assert x.grad.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize('size', [(1, 1), (2, 7)])
def test_too_small_map_raises_an_error(size):
    with pytest.raises(ValueError, match=f'feature map has {size[0]} x {size[1]} cells, but DynamicRegions need'):
        DyRegGNN(8, size, 4, regions=dict(type='DynamicRegions', hidden_channels=8))


@pytest.mark.parametrize('heads', ['fc', 'pool'])
def test_map_of_one_cell_at_test_time(heads):
    regions = regions_of((7, 7), 2, heads, 'gru')(torch.randn(1, 2, 8, 1, 1))
    assert_on_map(regions, (1, 1))
    assert not regions.center.any()


@pytest.mark.parametrize('kind', ['FixedRegions', 'StaticRegions'])
def test_one_cell_one_node_one_frame(kind):
    module = DyRegGNN(8, 1, 1, regions=dict(type=kind))
    torch.nn.init.ones_(module.norm.weight)
    assert module(torch.zeros(1, 8, 1, 1, 1)).isfinite().all()


def test_same_seed_gives_bit_equal_results():
    def train():
        torch.manual_seed(3)
        module = DyRegGNN(8, 7, 4, regions=dict(type='DynamicRegions', hidden_channels=8))
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            module(torch.randn(2, 8, 3, 7, 7)).square().mean().backward()
            optimizer.step()
        return list(module.parameters())

    first, second = train(), train()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].grad is not None
