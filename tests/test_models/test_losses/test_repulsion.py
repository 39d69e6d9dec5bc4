"""CenterRepulsion: nodes at the same position separate."""

import pytest
import torch

from dyreg_mmaction.models.losses import CenterRepulsion
from dyreg_mmaction.ops import Regions


def closeness(center, **options):
    return CenterRepulsion(**options)({'a': Regions(center, torch.ones_like(center), (4, 4))}, torch.empty(0), [])[0]


def test_loss_equals_its_formula():
    center = torch.tensor([[0.0, 0.0], [0.0, 1.0], [4.0, 4.0]]).view(1, 1, 3, 2)
    pairs = [0.25**2, 2.0, 1 + 0.75**2]  # squared distances in 0..1
    expected = sum(torch.tensor(-d / (2 * 0.2**2)).exp() for d in pairs) / 3
    torch.testing.assert_close(closeness(center, radius=0.2), expected)


def test_close_nodes_separate_and_a_distant_one_stays():
    torch.manual_seed(0)
    center = (2 + 0.01 * torch.randn(2, 3, 4, 2)).requires_grad_()
    optimizer = torch.optim.SGD([center], 1.0)
    for _ in range(50):
        optimizer.zero_grad()
        closeness(center).backward()
        optimizer.step()
    assert torch.cdist(center, center).masked_fill(torch.eye(4, dtype=torch.bool), 9).min() > 0.3
    alone = torch.ones(1, 1, 1, 2, requires_grad=True)
    closeness(alone).backward()
    assert not alone.grad.any()


def test_radius_of_0_raises_an_error():
    with pytest.raises(ValueError, match='radius is 0, but must be a fraction'):
        CenterRepulsion(radius=0)
