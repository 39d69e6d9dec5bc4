"""One-dimensional kernels of a region, and their outer product, the map of a node."""

import torch
from torch import Tensor


def tent(center: Tensor, half_size: Tensor, length: int) -> Tensor:
    """Tent over the cells 0..length-1 of one axis: k(p) = max(0, half_size - |p - center|), eq. 6 of DyReg-GNN.

    Args:
        center (Tensor[...]): Position of the peak, in feature cells.
        half_size (Tensor[...]): Distance from the peak at which the tent reaches zero, in feature cells. Above 0.5
            at least one cell has weight.
        length (int): Number of cells of the axis.

    Returns:
        Tensor[..., length]: Unnormalised weights.
    """
    position = torch.arange(length, dtype=center.dtype, device=center.device)
    return (half_size[..., None] - (position - center[..., None]).abs()).relu()


def area(center: Tensor, half_size: Tensor, length: int) -> Tensor:
    """Part of each cell [p, p + 1] that lies in [center - half_size, center + half_size], with fractional edges.

    Args:
        center (Tensor[...]): Middle of the interval, in feature cells.
        half_size (Tensor[...]): Half its length, in feature cells.
        length (int): Number of cells of the axis.

    Returns:
        Tensor[..., length]: Overlaps in 0..1.

    Source: the grids of RSTG (NeurIPS 2019), an area average over each cell of a partition.
    """
    start = torch.arange(length, dtype=center.dtype, device=center.device)
    low = torch.maximum((center - half_size)[..., None], start)
    high = torch.minimum((center + half_size)[..., None], start + 1)
    return (high - low).relu()


def normalize(kernel: Tensor) -> Tensor:
    """Divide by the sum over the last axis, so that the weights sum to 1."""
    return kernel / (kernel.sum(-1, keepdim=True) + 1e-37)


def outer(ky: Tensor, kx: Tensor) -> Tensor:
    """Map of a node, K(y, x) = ky(y) kx(x); it sums to 1 where both do, as sum K = (sum ky)(sum kx).

    Args:
        ky (Tensor[..., H]): Weights of the rows.
        kx (Tensor[..., W]): Weights of the columns.

    Returns:
        Tensor[..., H, W]
    """
    return ky[..., :, None] * kx[..., None, :]
