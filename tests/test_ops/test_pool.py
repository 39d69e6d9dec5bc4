import torch

from dyreg_mmaction.ops import pool, unpool


def test_pool_is_the_weighted_sum_over_cells():
    x, maps = torch.rand(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(pool(x, maps), torch.einsum('bnhw,bchw->bnc', maps, x))


def test_unpool_spreads_each_node_under_its_map():
    nodes, maps = torch.rand(2, 6, 3, dtype=torch.float64), torch.rand(2, 6, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(unpool(nodes, maps), torch.einsum('bnhw,bnc->bchw', maps, nodes))


def test_a_map_of_one_cell_reads_and_writes_that_cell():
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


def test_channels_last_maps_are_read_alike():
    x, maps = torch.rand(2, 3, 4, 5), torch.rand(2, 6, 4, 5)
    torch.testing.assert_close(pool(x.contiguous(memory_format=torch.channels_last), maps), pool(x, maps))
