import pytest
import torch

from dyreg_mmaction.ops import add_unpooled, normalize_unpooled, pool, unpool


def test_pool_is_the_weighted_sum_over_cells():
    x, maps = torch.rand(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(pool(x, maps), torch.einsum('bnhw,bchw->bnc', maps, x))


def test_unpool_spreads_each_node_under_its_map():
    nodes, maps = torch.rand(2, 6, 3, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(unpool(nodes, maps), torch.einsum('bnhw,bnc->bchw', maps, nodes))


def test_map_of_one_cell():
    x, maps = torch.arange(24.0).reshape(1, 2, 3, 4), torch.zeros(1, 1, 3, 4)
    maps[0, 0, 2, 1] = 1
    nodes = pool(x, maps)
    assert nodes.tolist() == [[[9, 21]]]
    assert unpool(nodes, maps)[0, :, 2, 1].tolist() == [9, 21] and unpool(nodes, maps).count_nonzero() == 2


def test_gradients():
    x, maps = torch.rand(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x, m: unpool(pool(x, m), m), (x.requires_grad_(), maps.requires_grad_()), fast_mode=True
    )


def test_channels_last_maps_give_the_same():
    x, maps = torch.rand(2, 3, 4, 5), torch.rand(2, 6, 4, 5)
    torch.testing.assert_close(pool(x.contiguous(memory_format=torch.channels_last), maps), pool(x, maps))


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_add_unpooled_keeps_the_layout(layout):
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=layout)
    nodes, maps = torch.rand(2, 6, 3, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    y = add_unpooled(x, nodes, maps)
    torch.testing.assert_close(y, x + unpool(nodes, maps))
    assert y.is_contiguous(memory_format=layout)


def norm_of(nodes, maps, weight, bias):
    return torch.nn.functional.group_norm(unpool(nodes, maps), 1, weight, bias)


def test_normalized_nodes_unpool_to_the_normalized_map():
    nodes, maps = 3 + torch.randn(2, 6, 3, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    weight, bias = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(
        unpool(*normalize_unpooled(nodes, maps, weight, bias)), norm_of(nodes, maps, weight, bias)
    )
    inputs = [value.requires_grad_() for value in (nodes, maps, weight, bias)]
    assert torch.autograd.gradcheck(lambda *args: unpool(*normalize_unpooled(*args)), inputs, fast_mode=True)


@pytest.mark.parametrize('level', [0, 100])
def test_normalized_nodes_are_exact_in_float32(level):
    """Also if the mean of a map is much larger than its standard deviation."""
    torch.manual_seed(0)
    nodes, maps = level + torch.randn(1, 9, 64, dtype=torch.float64), torch.rand(1, 9, 14, 14, dtype=torch.float64)
    maps = maps / maps.sum((1), keepdim=True)
    weight, bias = torch.ones(64, dtype=torch.float64), torch.zeros(64, dtype=torch.float64)
    single = unpool(*normalize_unpooled(*(value.float() for value in (nodes, maps, weight, bias))))
    bound = 1e-5 if level == 0 else 2e-4
    assert (single - norm_of(nodes, maps, weight, bias)).abs().max() < bound


def test_zero_map_normalizes_to_the_bias():
    nodes, maps, bias = torch.zeros(1, 2, 3), torch.zeros(1, 2, 4, 5), torch.tensor([1.0, 2.0, 3.0])
    y = unpool(*normalize_unpooled(nodes, maps, torch.ones(3), bias))
    torch.testing.assert_close(y, bias[:, None, None].expand(1, 3, 4, 5))
