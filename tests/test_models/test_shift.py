import time

import pytest
import torch
from torch import nn

from dyreg_mmaction.models.shift import Shift, TemporalShift, copy_once
from dyreg_mmaction.registry import MODELS

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('frames', [1, 2, 5])
def test_values_and_gradients_are_those_of_mmaction2(frames, layout):
    shift = TemporalShift(nn.Identity(), num_segments=frames, shift_div=4)
    x = torch.randn(2 * frames, 9, 3, 3).contiguous(memory_format=layout).requires_grad_()
    expected = shift(x)
    weights = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, weights)
    copy_once(model := nn.Sequential(shift))
    shifted = model(x)
    assert torch.equal(shifted, expected)
    torch.testing.assert_close(torch.autograd.grad(shifted, x, weights)[0], gradient)
    assert shifted.is_contiguous(memory_format=layout)


def test_backbones_use_the_shift():
    backbone = MODELS.build(dict(type='DyRegResNetTSM', depth=18, pretrained=None, num_segments=4))
    shifts = [module for module in backbone.modules() if isinstance(module, TemporalShift)]
    assert shifts and all(type(shift) is Shift for shift in shifts)


@pytest.mark.parametrize('frames', [1, 2, 5])
def test_compiled_shift_gives_the_same(frames, monkeypatch):
    shift, x = Shift(nn.Identity(), num_segments=frames, shift_div=4), torch.randn(2 * frames, 9, 3, 3).requires_grad_()
    own = shift(x)
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    seen = shift(x)
    assert frames == 1 or type(own.grad_fn).__name__ == '_ShiftBackward'
    assert type(seen.grad_fn).__name__ == 'CatBackward0'
    assert torch.equal(own, seen)
    weights = torch.randn_like(own)
    assert torch.equal(*(torch.autograd.grad(y, x, weights)[0] for y in (own, seen)))


@pytest.mark.slow
def test_compiled_backbone_accepts_a_second_batch_size():
    """Other batch sizes once compiled for minutes."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = MODELS.build(dict(type='DyRegResNetTSM', depth=18, num_segments=4, pretrained=None)).eval()
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    began = time.monotonic()
    with torch.no_grad():
        for clips in (2, 3, 5):
            x = torch.randn(clips * 4, 3, 32, 32)
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-5)
    assert time.monotonic() - began < 300
