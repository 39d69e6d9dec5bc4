"""Kernel functions: maps (B*T, N, H, W) of regions for pooling and unpooling."""

from collections.abc import Callable

from torch import Tensor

from dyreg_mmaction.ops import Regions, area, normalize, outer, tent


def tent_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return normalized tents for pooling and unpooling.

    Half sizes are clamped to one cell, so that a tent always covers a cell center.

    Args:
        regions (Regions): Regions (B, T, N, 2).
        size (tuple[int, int]): Height and width (H, W) of the maps.

    Returns:
        tuple[Tensor[B*T, N, H, W], Tensor[B*T, N, H, W]]: Maps for pooling and for unpooling.
    """
    kx, ky = _tents(regions, size)
    maps = outer(normalize(ky), normalize(kx))
    return maps, maps


def raw_tent_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return tents as in eq. 6 and 7 of the paper, not divided by their sum; arguments as in :func:`tent_maps`."""
    kx, ky = _tents(regions, size)
    maps = outer(ky, kx)
    return maps, maps


def area_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return area averages for pooling, and the covered fraction of each cell for unpooling.

    Cell p has the coordinate p in regions, so it covers p - 1/2 to p + 1/2. Arguments are as in :func:`tent_maps`.
    """
    kx, ky = _axes(regions._replace(center=regions.center + 0.5), size, area)
    return outer(normalize(ky), normalize(kx)), outer(ky, kx)


def _tents(regions: Regions, size: tuple[int, int]) -> list[Tensor]:
    return _axes(regions._replace(half_size=regions.half_size.clamp(min=1)), size, tent)


def _axes(regions: Regions, size: tuple[int, int], kernel: Callable) -> list[Tensor]:
    center, half_size = regions.center.flatten(0, 1), regions.half_size.flatten(0, 1)  # (B*T,N,2)
    return [kernel(center[..., axis], half_size[..., axis], size[1 - axis]) for axis in (0, 1)]


KERNELS = {'tent': tent_maps, 'raw_tent': raw_tent_maps, 'area': area_maps}
