"""Means and variances of maps."""

import torch
from torch import Tensor

from .regions import Regions


def soft_argmax(maps: Tensor) -> Tensor:
    """Return the mean position under each map; unlike argmax it is differentiable.

    Args:
        maps (Tensor[..., H, W]): Weights that sum to 1.

    Returns:
        Tensor[..., 2]: As (x, y), in feature cells.
    """
    return torch.stack([(weight * position).sum(-1) for weight, position in _axes(maps)], dim=-1)


def map_regions(maps: Tensor) -> Regions:
    """Return regions whose tents have the same mean and variance as the maps.

    A tent of half size s has the variance s^2 / 6 along each axis. Half sizes are at least 1 cell.

    Args:
        maps (Tensor[B, T, N, H, W]): Weights that sum to 1.

    Returns:
        Regions
    """
    center = soft_argmax(maps)
    variance = torch.stack(
        [
            (weight * (position - mean[..., None]) ** 2).sum(-1)
            for (weight, position), mean in zip(_axes(maps), center.unbind(-1), strict=True)
        ],
        dim=-1,
    )
    return Regions(center, (6 * variance).clamp(min=1).sqrt(), (maps.shape[-1], maps.shape[-2]))


def _axes(maps: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the weights of the columns and of the rows, each with the positions."""
    weights = (maps.sum(-2), maps.sum(-1))
    return [(weight, torch.arange(weight.shape[-1], dtype=maps.dtype, device=maps.device)) for weight in weights]
