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


def test_a_backbone_has_it():
    backbone = MODELS.build(dict(type='DyRegResNetTSM', depth=18, pretrained=None, num_segments=4))
    shifts = [module for module in backbone.modules() if isinstance(module, TemporalShift)]
    assert shifts and all(type(shift) is Shift for shift in shifts)


def test_compilers_get_mmaction2s(monkeypatch):
    shift, x = Shift(nn.Identity(), num_segments=2, shift_div=4), torch.randn(4, 8, 3, 3, requires_grad=True)
    own = shift(x)
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    seen = shift(x)
    assert type(own.grad_fn).__name__ == '_ShiftBackward' and type(seen.grad_fn).__name__ == 'ViewBackward0'
    assert torch.equal(own, seen)
