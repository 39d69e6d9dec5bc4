import pytest
import torch
from torch.nn import functional as F

from dyreg_mmaction.models.regions import DynamicRegions
from dyreg_mmaction.models.regions.features import RegionFeatures, generator_size
from dyreg_mmaction.models.regions.vectors import FCVectors, sinusoids


def build(feature_size=(7, 7), num_nodes=4, awake=True, **kwargs):
    torch.manual_seed(0)
    regions = DynamicRegions(8, feature_size, num_nodes, hidden_channels=8, **kwargs)
    if awake:
        torch.nn.init.normal_(regions.predictor.alpha)
    return regions


def maps(*size):
    return torch.randn(2, 3, 8, *(size or (7, 7)), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('options', [dict(), dict(heads='pool'), dict(recurrent=False), dict(time='constant')])
def test_regions_start_in_the_middle(options):
    regions = build(awake=False, **options)(maps())
    assert regions.center.shape == regions.half_size.shape == (2, 3, 4, 2)
    assert regions.center.unique().item() == 3.5
    torch.testing.assert_close(regions.half_size.unique(), torch.tensor([7 / 6 + 2]))


def test_regions_start_on_the_grid():
    center = build(awake=False, reference='grid')(maps()).center[0, 0]
    torch.testing.assert_close(center, torch.tensor([[1.75, 1.75], [5.25, 1.75], [1.75, 5.25], [5.25, 5.25]]))


def test_regions_differ_by_clip_frame_and_node():
    center = build()(maps()).center
    assert len(center.flatten(0, 2).unique(dim=0)) == 2 * 3 * 4


def test_regions_of_a_clip_do_not_depend_on_the_batch():
    regions, x = build(), maps()
    torch.testing.assert_close(regions(x[1:]).center, regions(x).center[1:])


def test_constant_regions_are_the_same_in_every_frame():
    regions = build(time='constant')(maps())
    for part in regions[:2]:
        assert torch.equal(part, part[:, :1].expand_as(part)) and len(part[:, 0].flatten(0, 1).unique(dim=0)) == 8


def test_constant_regions_depend_on_every_frame():
    x = maps().requires_grad_()
    build(time='constant')(x).center[:, 0].sum().backward()
    assert (x.grad.flatten(2).abs().sum(-1) > 0).all()


def test_constant_regions_are_computed_from_the_mean_over_frames():
    regions, x = build(time='constant', recurrent=False), maps()
    torch.testing.assert_close(regions(x.flip(1)).center, regions(x).center)


def test_frames_are_independent_without_recurrence():
    regions, x = build(recurrent=False), maps()
    assert regions.rnn is None
    torch.testing.assert_close(regions(x[:, 2:]).center, regions(x).center[:, 2:])


def test_frames_depend_on_previous_ones_with_recurrence():
    x = maps().requires_grad_()
    build()(x).center[:, 1].sum().backward()
    assert (x.grad.flatten(2).abs().sum(-1) > 0).tolist() == [[True, True, False]] * 2


@pytest.mark.parametrize('half_size, cells', [(None, 7 / 6 + 2), (0.5, 3.5), (0.01, 1)])
def test_sizes_can_be_fixed(half_size, cells):
    source = build(predict_size=False, half_size=half_size)
    assert source.predictor.fc.out_features == source.predictor.alpha.numel() == 2
    regions = source(maps())
    torch.testing.assert_close(regions.half_size.unique(), torch.tensor([cells]).float())
    assert len(regions.center.flatten(0, 2).unique(dim=0)) == 24


def test_map_of_another_size_has_its_own_cells():
    regions = build(awake=False)(maps(14, 10))
    assert regions.map_size == (10, 14) and regions.center.unique(dim=2).flatten().unique().tolist() == [5, 7]


@pytest.mark.parametrize('side', [*range(3, 51), 56, 64, 112])
def test_features_of_any_side(side):
    size = generator_size((side, 7))
    features = RegionFeatures(4, size)
    out = features(torch.randn(1, 4, *size))
    assert out.shape == (1, 16, *features.out_size) and features.out_size[1] == 5
    assert size == (side, 7) if side <= 50 else 25 < size[0] <= 50
    assert min(side, 4) <= features.out_size[0] + 2 and features.out_size[0] <= 12


@pytest.mark.parametrize('side, cells', [(28, 6), (14, 6), (7, 5), (32, 7), (16, 7), (8, 6)])
def test_features_have_the_released_size(side, cells):
    assert RegionFeatures(4, (side, side)).out_size == (cells, cells)


def test_fully_connected_head_is_the_released_convolution():
    head, features = FCVectors(16, (3, 5), 4, 8), torch.randn(2, 16, 3, 5)
    released = F.conv2d(features, head.fc.weight.unflatten(1, (16, 3, 5)), head.fc.bias)  # (B,N*L,1,1)
    torch.testing.assert_close(head(features), released.reshape(2, 4, 8))


def test_sinusoids_run_along_an_axis():
    table, p = sinusoids(5, 4, torch.empty(0)), torch.linspace(0, 1, 5)
    assert table.shape == (5, 4)
    torch.testing.assert_close(table[:, 0], p.sin())
    torch.testing.assert_close(table[:, 1], (p / 10).cos())
    torch.testing.assert_close(table[:, 3], (p / 10000**0.75).cos())


def test_region_arithmetic_is_float32_under_autocast():
    source, x = build(), maps()
    with torch.autocast('cpu', torch.bfloat16):
        regions = source(x.bfloat16())
        assert source.predictor(torch.randn(2, 3, 4, 8).bfloat16(), (7, 7)).center.dtype == torch.float32
    assert regions.center.dtype == regions.half_size.dtype == torch.float32
    torch.testing.assert_close(regions.center, source(x).center, atol=0.3, rtol=0)


@pytest.mark.parametrize('options', [dict(), dict(heads='pool', rnn='lstm', predict_size=False, time='constant')])
def test_all_parameters_move_the_regions(options):
    source = build(**options)
    center, half_size, _ = source(maps())
    (center.sin().sum() + half_size.sin().sum()).backward()
    assert all(parameter.grad.count_nonzero() for parameter in source.parameters())
