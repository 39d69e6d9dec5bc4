"""Both kernels of all region sources: one convention for cell positions."""

import pytest
import torch

from dyreg_mmaction.models.node_maps import KERNELS
from dyreg_mmaction.models.regions import (
    BoxRegions,
    DynamicRegions,
    FixedRegions,
    KeypointRegions,
    StaticRegions,
    use_boxes,
)
from dyreg_mmaction.ops import Regions, soft_argmax

SIZE = (16, 24)
SOURCES = dict(
    boxes=lambda: BoxRegions(6),
    dynamic=lambda: DynamicRegions(4, SIZE, 6, hidden_channels=8, predict_size=False, half_size=1 / 8),
    fixed=lambda: FixedRegions(6),
    keypoints=lambda: KeypointRegions(4, 6),
    static=lambda: StaticRegions(6, predict_size=False, half_size=1 / 8),
)


@pytest.mark.parametrize('kernel', KERNELS)
@pytest.mark.parametrize('source', SOURCES)
def test_node_is_a_mean_around_the_center_of_its_region(source, kernel):
    """Regions that do not reach the border are symmetric about their center."""
    torch.manual_seed(0)
    low = 0.1 + 0.5 * torch.rand(1, 2, 6, 2)
    with torch.no_grad(), use_boxes(torch.cat((low, low + 0.25), dim=-1)):
        regions = SOURCES[source]()(torch.randn(1, 2, 4, *SIZE))
        if source == 'fixed' and kernel == 'tent':  # cells end at the border, and tents there are cut off
            regions = regions._replace(half_size=regions.half_size * 0.9)
        pool_maps, _ = KERNELS[kernel](regions, SIZE)
    means = soft_argmax(pool_maps / pool_maps.sum((-2, -1), keepdim=True)).unflatten(0, (1, 2))
    rounding = 0.05 if kernel == 'tent' else 1e-4  # a tent is sampled at the cells
    torch.testing.assert_close(means, regions.center, rtol=0, atol=rounding)


def test_raw_tents_are_those_of_the_equations():
    """K(p) = max(0, w - |c_x - p_x|) max(0, h - |c_y - p_y|), for pooling and unpooling."""
    regions = Regions(torch.tensor([[[[3.3, 2.0]]]]), torch.tensor([[[[2.5, 1.5]]]]), (8, 6))
    pool_maps, unpool_maps = KERNELS['raw_tent'](regions, (6, 8))
    x, y = (torch.arange(n) for n in (8, 6))
    expected = (1.5 - (2.0 - y).abs()).clamp(min=0)[:, None] * (2.5 - (3.3 - x).abs()).clamp(min=0)
    torch.testing.assert_close(pool_maps[0, 0], expected)
    assert torch.equal(unpool_maps, pool_maps)


@pytest.mark.parametrize('kernel', ['tent', 'area'])
def test_pooling_weights_of_a_node_sum_to_one(kernel):
    torch.manual_seed(0)
    regions = Regions(8 * torch.rand(1, 2, 5, 2), 0.5 + 2 * torch.rand(1, 2, 5, 2), (8, 8))
    maps, _ = KERNELS[kernel](regions, (8, 8))
    torch.testing.assert_close(maps.sum((-2, -1)), torch.ones(2, 5))
