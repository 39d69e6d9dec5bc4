"""SemanticMaps: attention maps instead of regions."""

import pytest
import torch

from dyreg_mmaction.models import DyRegGNN, Plugged
from dyreg_mmaction.models.recording import record_regions
from dyreg_mmaction.models.regions import SemanticMaps
from dyreg_mmaction.ops import map_regions, normalize, outer, soft_argmax, tent


@pytest.mark.parametrize('size', [(16, 16), (7, 10), (5, 6)])
def test_each_map_sums_to_one(size):
    maps = SemanticMaps(4, num_nodes=3)(torch.randn(2, 2, 4, *size))
    assert maps.shape == (2, 2, 3, *size)
    torch.testing.assert_close(maps.sum((-1, -2)), torch.ones(2, 2, 3))


def test_parameters_are_unchanged_from_earlier_releases():
    assert sum(p.numel() for p in SemanticMaps(32).parameters()) == 29_104 + 297


def test_nodes_are_weighted_means_of_the_whole_map():
    """If the map of node 0 has one non-zero position, the node has the features of that position."""
    module = DyRegGNN(4, (6, 6), num_nodes=2, regions=dict(type='SemanticMaps'), position=False)
    seen = []
    module.graph.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    maps = torch.full((1, 2, 6, 6), 1 / 36)
    maps[:, 0] = 0
    maps[:, 0, 4, 1] = 1
    module.regions.heat_maps = Constant(maps)
    x = torch.randn(1, 4, 1, 6, 6)
    module(x)
    torch.testing.assert_close(seen[0][0, 0, 0], x[0, :, 0, 4, 1])
    torch.testing.assert_close(seen[0][0, 0, 1], x[0, :, 0].mean((-1, -2)))


class Constant(torch.nn.Module):
    """Returns a constant."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value


def test_maps_stay_in_float32_under_autocast():
    with torch.autocast('cpu', torch.bfloat16):
        maps = SemanticMaps(4)(torch.randn(1, 1, 4, 6, 6))
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps.sum((-1, -2)), torch.ones(1, 1, 9))


def test_attention_is_learned():
    module = DyRegGNN(4, (6, 6), num_nodes=2, regions=dict(type='SemanticMaps'))
    torch.nn.init.ones_(module.norm.weight)
    module(torch.randn(1, 4, 2, 6, 6)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.regions.parameters())


def test_moments_of_a_tent_give_its_region():
    center, half_size = torch.tensor([10.0, 7.0]), torch.tensor([4.0, 3.0])
    kx, ky = (normalize(tent(c, h, n)) for c, h, n in zip(center, half_size, (20, 15), strict=True))
    regions = map_regions(outer(ky, kx)[None, None, None])
    torch.testing.assert_close(regions.center[0, 0, 0], center)
    torch.testing.assert_close(regions.half_size[0, 0, 0], half_size, atol=0.2, rtol=0)  # the tent is sampled
    assert regions.map_size == (20, 15)


def test_maps_on_one_cell_are_regions_with_gradients():
    """The square root of a variance of 0 has no finite gradient."""
    maps = torch.zeros(1, 1, 2, 4, 5)
    maps[..., 0, 1, 2] = maps[..., 1, 3, 4] = 1
    maps.requires_grad_()
    regions = map_regions(maps)
    assert regions.half_size.eq(1).all()
    (regions.center.sum() + regions.half_size.sum()).backward()
    assert maps.grad.isfinite().all() and maps.grad.count_nonzero()


def test_soft_argmax_is_the_mean_position_as_x_y():
    maps = torch.zeros(1, 3, 4)
    maps[0, 2, 1] = maps[0, 0, 3] = 0.5
    assert soft_argmax(maps).tolist() == [[2, 1]]


def test_recorded_as_regions_with_the_maps_moments():
    backbone = tiny_backbone()
    maps = []
    backbone.plugins['conv'].regions.register_forward_hook(lambda _, __, out: maps.append(out))
    with record_regions(backbone) as record:
        backbone(torch.randn(2, 3, 4, 8, 8))
    (regions,) = record['conv']
    assert regions.center.shape == regions.half_size.shape == (2, 4, 9, 2)
    torch.testing.assert_close(regions.center, soft_argmax(maps[0]))


def tiny_backbone():
    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv3d(3, 4, 1)

        def forward(self, x):
            return self.conv(x)

    cls = type('PluggedTiny', (Plugged, Tiny), dict(takes_clips=True))
    return cls(plugins=[dict(type='DyRegGNN', after='conv', regions=dict(type='SemanticMaps'))], input_size=8)
