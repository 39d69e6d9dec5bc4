"""The temporal shift of TSM (ICCV 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .tracing import is_traced


def temporal_shift(x: Tensor, time: int, shift_div: int) -> Tensor:
    """Shift the first C/shift_div channels from the next frame and as many further ones from the previous frame.

    Channels without a source frame, at the ends of a clip, are zero.

    Args:
        x (Tensor[B * T, C, H, W]): Maps.
        time (int): Clip length T.
        shift_div (int): Inverse of the fraction of the channels that is shifted in each direction.

    Returns:
        Tensor[B * T, C, H, W]: In the memory layout of x; each value is copied once.
    """
    fold = x.shape[1] // shift_div
    return _shift_slices(x, time, fold) if is_traced() else _Shift.apply(x, time, fold)


def _shift_slices(x: Tensor, time: int, fold: int) -> Tensor:
    """Shift with operations that compilers fuse. Splitting the batch axis would hang compilers with symbolic sizes."""
    frame = (torch.arange(x.shape[0], device=x.device) % time)[:, None, None, None]
    from_next = F.pad(x[1:, :fold], (0, 0, 0, 0, 0, 0, 0, 1)).masked_fill(frame == time - 1, 0)
    from_last = F.pad(x[:-1, fold : 2 * fold], (0, 0, 0, 0, 0, 0, 1, 0)).masked_fill(frame == 0, 0)
    return torch.cat((from_next, from_last, x[:, 2 * fold :]), dim=1)


class _Shift(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, time: int, fold: int) -> Tensor:
        ctx.sizes = time, fold
        return _copy(x, time, slice(0, fold), slice(fold, 2 * fold))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        time, fold = ctx.sizes
        return _copy(grad, time, slice(fold, 2 * fold), slice(0, fold)), None, None


def _copy(x: Tensor, time: int, from_next: slice, from_last: slice) -> Tensor:
    shifted = torch.empty_like(x)
    old, new = (maps.unflatten(0, (-1, time)) for maps in (x, shifted))  # (B,T,C,H,W)
    new[:, :-1, from_next] = old[:, 1:, from_next]
    new[:, -1, from_next] = 0
    new[:, 1:, from_last] = old[:, :-1, from_last]
    new[:, 0, from_last] = 0
    rest = slice(max(from_next.stop, from_last.stop), None)
    new[:, :, rest] = old[:, :, rest]
    return shifted
