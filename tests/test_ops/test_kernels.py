import math

import pytest
import torch

from dyreg_mmaction.ops import area, normalize, outer, tent


def test_tent_falls_by_one_per_cell_from_its_peak():
    kernel = tent(torch.tensor([2.0, 0.5]), torch.tensor([2.0, 1.25]), 5)
    assert kernel.tolist() == [[0, 1, 2, 1, 0], [0.75, 0.75, 0, 0, 0]]


def test_tent_keeps_leading_axes_and_dtype():
    kernel = tent(torch.zeros(2, 3, 4, dtype=torch.float64), torch.ones(2, 3, 4, dtype=torch.float64), 7)
    assert kernel.shape == (2, 3, 4, 7) and kernel.dtype == torch.float64


def test_area_is_the_overlap_of_interval_and_cell():
    kernel = area(torch.tensor([2.0, 1.25, 0.0]), torch.tensor([1.5, 0.5, 1.0]), 4)
    assert kernel.tolist() == [[0.5, 1, 1, 0.5], [0.25, 0.75, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize('kernel', [tent, area])
def test_gradients_of_normalized_kernels(kernel):
    center = torch.tensor([1.3, 2.6, 4.9], dtype=torch.float64, requires_grad=True)
    half_size = torch.tensor([1.1, 2.45, 7.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, h: normalize(kernel(c, h, 6)), (center, half_size))


@pytest.mark.parametrize('half_size', [1.0, 3.7, 1e27])
def test_normalized_tents_sum_to_one(half_size):
    center = torch.linspace(0, 6, 25)
    kernel = normalize(tent(center, torch.full_like(center, half_size), 7))
    torch.testing.assert_close(kernel.sum(-1), torch.ones(25))


def test_normalize_keeps_an_empty_kernel():
    assert normalize(torch.zeros(2, 3)).tolist() == [[0] * 3] * 2


def test_outer_of_normalized_kernels_is_the_normalized_outer_product():
    ky, kx = torch.rand(2, 3, 4, dtype=torch.float64), torch.rand(2, 3, 6, dtype=torch.float64)
    whole = torch.einsum('bnh,bnw->bnhw', ky, kx)
    whole /= whole.sum((-1, -2), keepdim=True)
    kernel = outer(normalize(ky), normalize(kx))
    assert kernel.shape == (2, 3, 4, 6)
    torch.testing.assert_close(kernel, whole)
    assert math.isclose(kernel.sum().item(), 6)
