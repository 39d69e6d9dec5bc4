"""Statistics of regions with known centers."""

import pytest
import torch

from dyreg_mmaction.engine.region_numbers import dependence, region_numbers


def test_numbers_of_known_regions():
    """One node stays 5 cells from its start; the other jumps by 2 cells around its start."""
    center = torch.tensor([[[[4.0, 5.0], [1.0, 2.0]], [[4.0, 5.0], [3.0, 2.0]]]])  # (1,2,2,2)
    numbers = region_numbers(center, start=torch.tensor([[1.0, 1.0], [2.0, 2.0]]))
    spread = ((18**0.5) / 2 + (10**0.5) / 2) / 2
    assert numbers == pytest.approx(dict(shift=(5 + 1) / 2, motion=(0 + 1) / 2, variation=(0 + 1) / 2, spread=spread))


def test_nodes_that_differ_between_clips_only_do_not_move():
    center = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1).expand(2, 4, 1, 2)
    numbers = region_numbers(center, start=torch.zeros(1, 2))
    assert numbers['motion'] == 0
    assert numbers['variation'] == pytest.approx(2**0.5)


def test_dependence_of_known_vectors():
    constant = torch.randn(2, 5).expand(4, 3, 2, 5)
    assert dependence(constant) == pytest.approx(0, abs=1e-4)
    noise = torch.randn(400, 3, 2, 5, generator=torch.Generator().manual_seed(0))
    assert dependence(noise) == pytest.approx(1, abs=0.01)
    assert dependence(noise + 3 * torch.ones(2, 5)) == pytest.approx(0.1**0.5, abs=0.01)  # variance 1 of 1 + 9
    assert dependence(torch.zeros(2, 3, 2, 5)) == 0
