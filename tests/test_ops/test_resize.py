import pytest
import torch
from torch.nn import functional as F

from dyreg_mmaction.ops import adaptive_avg_pool


@pytest.mark.parametrize('old', [(16, 16), (7, 12), (3, 5)])
@pytest.mark.parametrize('new', [(14, 14), (5, 7), (1, 1), (3, 12)])
def test_equals_torch_in_value_and_gradient(old, new):
    x = torch.rand(2, 3, *old, dtype=torch.float64, requires_grad=True)
    expected = F.adaptive_avg_pool2d(x, new)
    given = adaptive_avg_pool(x, new)
    torch.testing.assert_close(given, expected)
    weights = torch.rand_like(expected)
    torch.testing.assert_close(
        *(torch.autograd.grad((y * weights).sum(), x)[0] for y in (given, expected)),
    )


def test_same_size_is_the_same_tensor():
    x = torch.rand(2, 3, 4, 5)
    assert adaptive_avg_pool(x, (4, 5)) is x
