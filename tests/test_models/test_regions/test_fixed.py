"""FixedRegions: nodes are the cells of grids."""

import pytest
import torch

from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.models.node_maps import KERNELS
from dyreg_mmaction.models.regions import FixedRegions
from dyreg_mmaction.ops import area, grid_regions, normalize, outer, pool


def area_maps(source, height, width):
    return KERNELS['area'](source(torch.zeros(1, 1, 1, height, width)), (height, width))


def test_areas_are_the_overlap_weights_of_rstg():
    """Weight of pixel p in cell i of a partition into s: overlap([p, p + 1], [i H/s, (i + 1) H/s]) / (H/s)."""
    pool_maps, _ = area_maps(FixedRegions(), 14, 14)
    side = 14 / 3
    for cell in range(9):
        weights = [
            [max(0, min(p + 1, (i + 1) * side) - max(p, i * side)) / side for p in range(14)]
            for i in divmod(cell, 3)  # row, column
        ]
        expected = torch.outer(*map(torch.tensor, weights))
        torch.testing.assert_close(pool_maps[0, cell], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize('size', [(14, 14), (7, 28), (3, 16)])
def test_areas_of_integer_edges_are_exact(size):
    """As in the released code; in regions, edges are at p - 1/2."""
    source = FixedRegions(num_nodes=14, grids=[(3, 3), (2, 2), (1, 1)])
    center, half_size = grid_regions(source.grids, torch.float32)
    kx, ky = (area(center[:, a] * size[1 - a], half_size[:, a] * size[1 - a], size[1 - a]) for a in (0, 1))
    pool_maps, unpool_maps = area_maps(source, *size)
    assert torch.equal(pool_maps[0], outer(normalize(ky), normalize(kx)))
    assert torch.equal(unpool_maps[0], outer(ky, kx))


def test_area_nodes_are_means_of_aligned_cells():
    pool_maps, _ = area_maps(FixedRegions(num_nodes=6, grids=[(2, 3)]), 6, 9)
    x = torch.randn(1, 4, 6, 9)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, (2, 3)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(pool(x, pool_maps), expected)


def test_area_unpooling_covers_every_position_once():
    _, unpool_maps = area_maps(FixedRegions(), 14, 10)
    torch.testing.assert_close(unpool_maps.sum(1), torch.ones(1, 14, 10))


def test_tents_are_on_the_grid_with_the_given_half_size():
    regions = FixedRegions(half_size=0.25)(torch.zeros(2, 3, 1, 12, 24))
    assert regions.center.shape == (2, 3, 9, 2)
    assert regions.center[1, 2, 5].tolist() == pytest.approx(
        [19.5, 5.5]
    )  # second row, third column: cells 16 to 23 and 4 to 7
    assert regions.half_size[0, 0, 0].tolist() == pytest.approx([6, 3])


@pytest.mark.parametrize('options', [{}, dict(half_size=0.01)])
@pytest.mark.parametrize('side', [4, 7, 9])
def test_tents_of_a_fine_grid_contain_a_cell(side, options):
    """A tent with half size 0.5 between two cells has no weight."""
    regions = FixedRegions(num_nodes=49, **options)(torch.zeros(1, 1, 1, side, side))
    maps, _ = KERNELS['tent'](regions, (side, side))
    torch.testing.assert_close(maps.sum((-1, -2)), torch.ones(1, 49))


@pytest.mark.parametrize('grids', [(3, 3), [3, 3], 9, [(3, 3, 1)], [(0, 3)], '3x3', ['33']], ids=str)
def test_invalid_grids_raise_errors(grids):
    with pytest.raises(ValueError, match=r'must be a list of \(rows, columns\), like \[\(3, 3\)\]'):
        FixedRegions(grids=grids)


@pytest.mark.parametrize('half_size', [0, 1.5, '0.1'])
def test_half_size_out_of_range_raises_an_error(half_size):
    with pytest.raises(ValueError, match=f"half_size is {half_size!r}, but must be a fraction of the map's side"):
        FixedRegions(half_size=half_size)


def test_nothing_is_learned_or_saved():
    source = FixedRegions()
    assert not list(source.parameters()) and not list(source.buffers())


def test_wrong_number_of_cells_raises_an_error():
    with pytest.raises(ValueError, match='have 14 cells, but num_nodes is 9; set num_nodes=14'):
        DyRegGNN(4, 6, regions=dict(type='FixedRegions', grids=[(3, 3), (2, 2), (1, 1)]))
