"""Position of a region as a small map."""

import torch
from torch import Tensor

from .kernels import area, outer
from .regions import Regions

MAP_SIZE = 6  # cells per side
STD = 2.0  # cells


def gaussian_maps(regions: Regions) -> Tensor:
    """Return a Gaussian around each region's center on a map of 6 x 6 cells, zero outside the region.

    Cells at the region's edges are weighted by the fraction that the region covers, so the maps change smoothly when
    regions move. For the grids of RSTG they equal those of the released code.

    Args:
        regions (Regions): Regions (B, T, N, 2).

    Returns:
        Tensor[B, T, N, 36]: Flattened row by row; the Gaussian has peak 1.

    Source: positional awareness of RSTG (NeurIPS 2019).
    """
    center, half_size, _ = regions.normalized()
    kx, ky = (_axis(center[..., axis] * MAP_SIZE, half_size[..., axis] * MAP_SIZE) for axis in (0, 1))
    return outer(ky, kx).flatten(-2)


def _axis(center: Tensor, half_size: Tensor) -> Tensor:
    middle = torch.arange(MAP_SIZE, dtype=center.dtype, device=center.device) + 0.5  # of each cell
    gaussian = (-0.5 * ((middle - center[..., None]) / STD).square()).exp()
    return area(center, half_size, MAP_SIZE) * gaussian
