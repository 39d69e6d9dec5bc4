import time

import pytest
import torch
from torch.nn import functional as F

from dyreg_mmaction.ops import linear
from dyreg_mmaction.ops.linear import SMALL


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('shape', [(5,), (4, 5), (2, 3, 5), (4, 8, 512)])
def test_values_and_gradients_agree_with_pytorch(shape, bias):
    x = torch.randn(shape, requires_grad=True)
    weight = torch.randn(SMALL // (32 * 512), shape[-1], requires_grad=True)
    leaves = [x, weight, *([torch.randn(len(weight), requires_grad=True)] if bias else [])]
    results = [[y, *torch.autograd.grad(y.square().sum(), leaves)] for y in (linear(*leaves), F.linear(*leaves))]
    for given, expected in zip(*results, strict=True):
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-2)


def test_large_products_use_onednn():
    x, weight = torch.randn(32, 512), torch.randn(SMALL // (32 * 512), 512)
    with torch.profiler.profile() as profile, torch.no_grad():
        linear(x, weight)
        linear(x[:1], weight)
    names = [event.name for event in profile.events() if event.name in ('aten::linear', 'mkldnn::_linear_pointwise')]
    assert names == (
        ['mkldnn::_linear_pointwise', 'aten::linear'] if torch.backends.mkldnn.is_available() else ['aten::linear'] * 2
    )


def test_parts_of_a_weight_are_as_fast_as_a_weight():
    """Without a copy oneDNN takes 1000 times as long."""
    x, weights = torch.randn(1024, 64), torch.randn(64, 128)

    def seconds(weight):
        start = time.process_time()
        torch.testing.assert_close(linear(x, weight), F.linear(x, weight), rtol=1e-4, atol=1e-4)
        return time.process_time() - start

    with torch.no_grad():
        parts, wholes = ([seconds(weight) for _ in range(5)] for weight in (weights[:, :64], torch.randn(64, 64)))
    assert min(parts) < 20 * min(wholes)


def test_gradients_are_computed_only_if_required():
    x, weight = torch.randn(2, 3), torch.randn(4, 3, requires_grad=True)
    linear(x, weight).sum().backward()
    assert x.grad is None and weight.grad is not None


def test_gradients_in_float64():
    leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 5), (4, 5), (4,))]
    assert torch.autograd.gradcheck(linear, leaves)


def test_autocast_agrees_with_pytorch():
    x, weight = torch.randn(2, 3), torch.randn(4, 3)
    with torch.autocast('cpu', torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16
