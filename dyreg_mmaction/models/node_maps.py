"""The kernel functions: maps (B*T, N, H, W) of regions, to pool with and to write back with."""

from collections.abc import Callable

from torch import Tensor

from dyreg_mmaction.ops import Regions, area, normalize, outer, tent


def tent_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Tents, normalised, for pooling and unpooling alike; each is one cell wide at least, as a thinner one may hold
    the middle of no cell.
    """
    kx, ky = _tents(regions, size)
    maps = outer(normalize(ky), normalize(kx))
    return maps, maps


def raw_tent_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The same tents as eq. 6 and 7 of the paper have them, not divided by their sum."""
    kx, ky = _tents(regions, size)
    maps = outer(ky, kx)
    return maps, maps


def area_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Average over the rectangle for pooling; for unpooling the fraction of each cell that it covers.

    Cell p has the coordinate p in regions, so it covers p - 1/2 to p + 1/2.
    """
    kx, ky = _axes(regions._replace(center=regions.center + 0.5), size, area)
    return outer(normalize(ky), normalize(kx)), outer(ky, kx)


def _tents(regions: Regions, size: tuple[int, int]) -> list[Tensor]:
    return _axes(regions._replace(half_size=regions.half_size.clamp(min=1)), size, tent)


def _axes(regions: Regions, size: tuple[int, int], kernel: Callable) -> list[Tensor]:
    center, half_size = regions.center.flatten(0, 1), regions.half_size.flatten(0, 1)  # (B*T,N,2)
    return [kernel(center[..., axis], half_size[..., axis], size[1 - axis]) for axis in (0, 1)]


KERNELS = {'tent': tent_maps, 'raw_tent': raw_tent_maps, 'area': area_maps}
