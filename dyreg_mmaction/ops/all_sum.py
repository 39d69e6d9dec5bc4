"""Differentiable sum over all processes."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def all_sum(x: Tensor, group: Any = None) -> Tensor:
    """Sum x over the processes of ``group``. The gradient is the sum of the gradients of all processes."""
    return _AllSum.apply(x, group)


class _AllSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return all_sum(gradient, ctx.group), None
