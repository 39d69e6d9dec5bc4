"""Linear layers with oneDNN on CPUs, which is about twice as fast on AMD processors as MKL, PyTorch's default."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .onednn import has_onednn
from .tracing import is_traced

SMALL = 2**20  # number of multiply-adds below which oneDNN's kernel lookup costs more than it saves


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute ``F.linear``, y = x W^T + b; uses oneDNN in float32 on CPUs.

    Args:
        x (Tensor[..., D]): Input vectors.
        weight (Tensor[C, D]): W.
        bias (Tensor[C], optional): b.

    Returns:
        Tensor[..., C]
    """
    if is_traced() or x.device.type != 'cpu' or torch.is_autocast_enabled('cpu'):
        return F.linear(x, weight, bias)
    if not torch.is_grad_enabled():
        return product(x, weight, bias)
    return _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias).view(*x.shape[:-1], len(weight))


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute :func:`linear` on a CPU without recording gradients."""
    pays = x.numel() * len(weight) >= SMALL and x.dtype == torch.float32 == weight.dtype
    if pays and has_onednn():
        if not (weight.is_contiguous() or weight.t().is_contiguous()):  # part of a weight: 1000 times slower as it is
            weight = weight.contiguous()
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, 'none', [], '')
    return F.linear(x, weight, bias)


class _Linear(torch.autograd.Function):
    """:func:`linear` of x (B, D) with gradients."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        return (
            product(grad, weight.t()) if to_x else None,
            weight_gradient(grad, x) if to_weight else None,
            grad.sum(0) if to_bias else None,
        )


def weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """Compute the gradient of W, Tensor[C, D], from the gradient of the output (..., C) and the input (..., D)."""
    return product(grad.flatten(0, -2).t().contiguous(), x.flatten(0, -2).t().contiguous())
