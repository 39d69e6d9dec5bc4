import numpy as np
import pytest
import reference_dyreg
import torch

from dyreg_mmaction.ops import (
    Regions,
    decode_regions,
    grid_regions,
    most_square_grid,
    normalize,
    reference_points,
    tent,
)

SIZES = [(7, 7), (14, 14), (7, 12), (28, 5)]  # (H, W)


def decode(offsets, size, kind='center', **kwargs):
    reference = reference_points(kind, offsets.shape[2])
    return decode_regions(offsets, reference, (size[1], size[0]), **kwargs)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('kind', ['center', 'grid'])
@pytest.mark.parametrize('num_nodes', [1, 5, 9, 16, 12])
def test_regions_are_the_released_ones(size, kind, num_nodes):
    offsets = torch.randn(2, 3, num_nodes, 4, dtype=torch.float64)
    released = offsets.flip(-1).flatten(0, 1).numpy()  # (row size, column size, row shift, column shift)
    half_size, center = reference_dyreg.decode(released, size, kind)
    regions = decode(offsets, size, kind)
    np.testing.assert_allclose(regions.center.flatten(0, 1).flip(-1), center, rtol=0, atol=1e-12)
    np.testing.assert_allclose(regions.half_size.flatten(0, 1).flip(-1), half_size, rtol=1e-12)
    assert regions.map_size == (size[1], size[0])


@pytest.mark.parametrize('side, half_size', [(28, 6.667), (14, 4.333), (7, 3.167), (16, 4.667)])
def test_zero_offsets_give_the_initial_region(side, half_size):
    regions = decode(torch.zeros(1, 1, 9, 4), (side, side))
    assert regions.center.unique().item() == side / 2
    torch.testing.assert_close(regions.half_size, torch.full((1, 1, 9, 2), half_size), atol=5e-4, rtol=0)


def test_offsets_are_dx_dy_w_h():
    start = torch.cat(decode(torch.zeros(1, 1, 1, 4), (14, 14))[:2], -1)  # (x, y, half width, half height)
    for i, offset in enumerate(0.1 * torch.eye(4)):
        moved = torch.cat(decode(offset.view(1, 1, 1, 4), (14, 14))[:2], -1) - start
        assert moved[0, 0, 0, i] > 0.1 and moved.count_nonzero() == 1


def test_centers_stay_on_cells():
    far = torch.tensor([-50.0, 50.0]).view(1, 1, 2, 1).expand(1, 1, 2, 4)
    assert decode(far, (7, 12)).center[0, 0].tolist() == [[0, 0], [11, 6]]


def test_region_can_leave_the_border():
    rim = torch.tensor([[0.0, 1.0]])
    offsets = torch.tensor([8.0, -8.0]).view(1, 1, 1, 2)
    center = decode_regions(offsets, rim, (7, 7)).center.squeeze()
    assert 1 < center[0] < 6 and 1 < center[1] < 6


@pytest.mark.parametrize('offset', [-1e30, -1e4, 1e4, 1e30])
def test_diverging_offsets_give_finite_kernels_and_gradients(offset):
    offsets = torch.full((1, 1, 1, 4), offset, requires_grad=True)
    center, half_size, _ = decode(offsets, (7, 7))
    kernel = normalize(tent(center, half_size, 7))
    torch.testing.assert_close(kernel.sum(-1), torch.ones(1, 1, 1, 2))
    (kernel * torch.rand_like(kernel)).sum().backward()
    assert offsets.grad.isfinite().all()


def test_gradients_of_the_decoding():
    offsets = 0.5 * torch.randn(1, 2, 6, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda o: decode(o, (7, 12), 'grid')[:2], offsets.requires_grad_())


def test_two_offsets_leave_the_initial_size():
    offsets = torch.randn(1, 1, 3, 4)
    regions = decode(offsets[..., :2], (6, 12))
    assert torch.equal(regions.center, decode(offsets, (6, 12)).center)
    assert regions.half_size.unique(dim=2).tolist() == [[[[4, 3]]]]


def test_fixed_half_size_is_a_fraction_of_the_map_and_at_least_a_cell():
    assert decode(torch.zeros(1, 1, 1, 2), (4, 12), half_size=0.2).half_size.squeeze().tolist() == pytest.approx(
        [2.4, 1]
    )


def test_grid_points_run_row_by_row():
    x, y = (reference_points('grid', 6) * torch.tensor([3.0, 2.0])).T.tolist()
    assert x == pytest.approx([0.5, 1.5, 2.5] * 2) and y == pytest.approx([0.5] * 3 + [1.5] * 3)


@pytest.mark.parametrize('cells, grid', [(1, (1, 1)), (5, (1, 5)), (9, (3, 3)), (12, (3, 4)), (16, (4, 4))])
def test_grid_is_the_most_square_one(cells, grid):
    assert most_square_grid(cells) == grid


def test_grids_are_concatenated():
    center, half_size = grid_regions([(1, 1), (2, 2)])
    assert center.tolist() == [[0.5, 0.5], [0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert half_size.tolist() == [[0.5, 0.5]] + [[0.25, 0.25]] * 4


def test_normalized_regions_are_fractions_of_the_frame():
    regions = Regions(torch.tensor([[[[6.0, 2.0]]]]), torch.tensor([[[[3.0, 1.0]]]]), (12, 4)).normalized()
    assert regions.center.squeeze().tolist() == [0.5, 0.5] and regions.half_size.squeeze().tolist() == [0.25, 0.25]
    assert regions.map_size == (1, 1)


def test_boxes_are_clipped_to_the_map():
    regions = Regions(torch.tensor([[[[6.0, 1.0]]]]), torch.tensor([[[[3.0, 9.0]]]]), (12, 4))
    assert regions.boxes().squeeze().tolist() == [3, 0, 9, 4]
    assert regions.normalized().boxes().squeeze().tolist() == [0.25, 0, 0.75, 1]
