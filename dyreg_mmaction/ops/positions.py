"""Where a region lies, as a small map."""

import torch
from torch import Tensor

from .kernels import area, outer
from .regions import Regions

MAP_SIZE = 6  # cells a side
STD = 2.0  # cells


def gaussian_maps(regions: Regions) -> Tensor:
    """A gaussian around each region's centre on the feature map reduced to 6 x 6 cells, zero outside the region.

    Cells at the region's edges count by the part of them that it covers, so the maps follow moving regions smoothly. On
    the grids of RSTG they are the released ones.

    Args:
        regions (Regions): Of (B, T, N, 2), :meth:`.Regions.on_map`.

    Returns:
        Tensor[B, T, N, 36]: Row by row; the peak is 1.

    Source: positional awareness of RSTG (NeurIPS 2019).
    """
    center, half_size, _ = regions.normalized()
    kx, ky = (_axis(center[..., axis] * MAP_SIZE, half_size[..., axis] * MAP_SIZE) for axis in (0, 1))
    return outer(ky, kx).flatten(-2)


def _axis(center: Tensor, half_size: Tensor) -> Tensor:
    middle = torch.arange(MAP_SIZE, dtype=center.dtype, device=center.device) + 0.5  # of each cell
    gaussian = (-0.5 * ((middle - center[..., None]) / STD).square()).exp()
    return area(center, half_size, MAP_SIZE) * gaussian
