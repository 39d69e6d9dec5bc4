"""Regions: where the nodes look."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class Regions(NamedTuple):
    """Rectangles in a feature map, one per node and frame.

    Attributes:
        center (Tensor[B, T, N, 2]): Centres as (x, y), in feature cells: cell p of the map has the coordinate p.
        half_size (Tensor[B, T, N, 2]): Half sizes as (x, y), in feature cells.
        map_size (tuple[int, int]): Width and height (W, H) of the feature map, in cells.
    """

    center: Tensor
    half_size: Tensor
    map_size: tuple[int, int]

    def normalized(self) -> 'Regions':
        """The same regions in 0..1 of the frame, with a map of size (1, 1).

        Cell p of a strided convolution is centred on the fraction p / W of the frame, so no half cell is added.
        """
        size = self._size()
        return Regions(self.center / size, self.half_size / size, (1, 1))

    def boxes(self) -> Tensor:
        """Corners (x1, y1, x2, y2), clipped to the map: Tensor[B, T, N, 4], in the units of the regions."""
        size = self._size()
        low = (self.center - self.half_size).clamp(min=0).minimum(size)
        high = (self.center + self.half_size).clamp(min=0).minimum(size)
        return torch.cat((low, high), dim=-1)

    def _size(self) -> Tensor:
        return self.center.new_tensor(self.map_size)


def decode_regions(
    offsets: Tensor, reference: Tensor, map_size: tuple[int, int], half_size: float | None = None
) -> Regions:
    """Regions from the raw numbers o = (dx, dy, w, h) of each node, eq. 12-14 of DyReg-GNN as released.

    ``center = W/2 (1 + tanh(dx + atanh(2 a/W - 1)))`` with the reference point a, clamped to the cells 0..W-1, and
    ``half_size = exp(w) (W/6 + 1) + 1``; likewise for y with H.

    Args:
        offsets (Tensor[B, T, N, 4 or 2]): Raw numbers; (dx, dy) alone where the size is fixed.
        reference (Tensor[N, 2]): Reference points (x, y), in 0..1 of the map.
        map_size (tuple[int, int]): Width and height (W, H), in cells.
        half_size (float, optional): Fixed half size, as a part of the side of the map (at least one cell is taken).
            None: predicted, or the initial (W/6 + 2) where the offsets hold no size.

    Returns:
        Regions
    """
    axes = [
        _decode_axis(offsets[..., axis::2], reference[:, axis].to(offsets), map_size[axis], half_size)
        for axis in (0, 1)
    ]
    center, half = (torch.stack(parts, dim=-1) for parts in zip(*axes, strict=True))
    return Regions(center, half, map_size)


def _decode_axis(offsets: Tensor, reference: Tensor, length: int, half_size: float | None) -> tuple[Tensor, Tensor]:
    """Centre and half size, each (B, T, N), along one axis, from (shift, size) or (shift,) in the last axis."""
    start = (2 * reference - 1).clamp(-1 + 1e-7, 1 - 1e-7).atanh()
    center = (length / 2 * (1 + (offsets[..., 0] + start).tanh())).clamp(0, length - 1)
    if half_size is not None:
        half = torch.full_like(center, max(half_size * length, 1))
    elif offsets.shape[-1] == 2:
        # exp(60) is far beyond any map; the clamp only keeps a diverging size from overflowing to inf / inf
        half = offsets[..., 1].clamp(max=60).exp() * (length / 6 + 1) + 1
    else:
        half = torch.full_like(center, length / 6 + 2)
    return center, half


def reference_points(kind: str, num_nodes: int) -> Tensor:
    """Points from which regions are shifted, in 0..1 of the map.

    Args:
        kind (str): 'center': the middle of the map for all; 'grid': the cell centres of the most square grid.
        num_nodes (int): Number of nodes N.

    Returns:
        Tensor[N, 2]: As (x, y), float64.
    """
    if kind == 'center':
        return torch.full((num_nodes, 2), 0.5, dtype=torch.float64)
    return grid_cells(*most_square_grid(num_nodes))[0]


def most_square_grid(num_cells: int) -> tuple[int, int]:
    """Rows and columns of the most square grid of ``num_cells`` cells, no more rows than columns."""
    rows = max(r for r in range(1, math.isqrt(num_cells) + 1) if num_cells % r == 0)
    return rows, num_cells // rows


def grid_cells(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Centres and half sizes (each Tensor[rows * columns, 2], (x, y) in 0..1 of the map) of the cells of a grid."""
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    center = torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).flatten(0, 1)
    return center, center.new_tensor((0.5 / columns, 0.5 / rows)).expand_as(center)


def grid_regions(grids: Iterable[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Centres and half sizes of the cells of several grids (rows, columns), one after another, row by row.

    Returns:
        tuple[Tensor[N, 2], Tensor[N, 2]]: (x, y) in 0..1 of the map, float64.
    """
    centers, half_sizes = zip(*(grid_cells(rows, columns) for rows, columns in grids), strict=True)
    return torch.cat(centers), torch.cat(half_sizes)
