"""One-dimensional kernels of a region and their outer product, the node's map."""

import torch
from torch import Tensor


def tent(center: Tensor, half_size: Tensor, length: int) -> Tensor:
    """Evaluate a tent on the cells 0..length-1 of an axis: k(p) = max(0, half_size - |p - center|), eq. 6 of DyReg-GNN.

    Args:
        center (Tensor[...]): Position of the peak, in feature cells.
        half_size (Tensor[...]): Distance from the peak at which the tent reaches zero, in feature cells. If it is above
            0.5, at least one cell has a positive weight.
        length (int): Number of cells of the axis.

    Returns:
        Tensor[..., length]: Unnormalized weights.
    """
    position = torch.arange(length, dtype=center.dtype, device=center.device)
    return (half_size[..., None] - (position - center[..., None]).abs()).relu()


def area(center: Tensor, half_size: Tensor, length: int) -> Tensor:
    """Return the fraction of each cell [p, p + 1] that is covered by [center - half_size, center + half_size].

    Args:
        center (Tensor[...]): Middle of the interval, in feature cells.
        half_size (Tensor[...]): Half its length, in feature cells.
        length (int): Number of cells of the axis.

    Returns:
        Tensor[..., length]: Overlaps in 0..1.

    Source: the grids of RSTG (NeurIPS 2019), which average over the area of each grid cell.
    """
    start = torch.arange(length, dtype=center.dtype, device=center.device)
    low = torch.maximum((center - half_size)[..., None], start)
    high = torch.minimum((center + half_size)[..., None], start + 1)
    return (high - low).relu()


def normalize(kernel: Tensor) -> Tensor:
    """Divide by the sum over the last axis so that the weights sum to 1."""
    return kernel / (kernel.sum(-1, keepdim=True) + 1e-37)


def outer(ky: Tensor, kx: Tensor) -> Tensor:
    """Return the map of a node, K(y, x) = ky(y) kx(x). It sums to 1 if both kernels sum to 1.

    Args:
        ky (Tensor[..., H]): Weights of the rows.
        kx (Tensor[..., W]): Weights of the columns.

    Returns:
        Tensor[..., H, W]
    """
    return ky[..., :, None] * kx[..., None, :]
