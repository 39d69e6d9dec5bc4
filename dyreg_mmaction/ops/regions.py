"""Regions: the rectangles of the feature map that nodes pool from."""

import math
from collections.abc import Callable, Iterable, Sequence
from operator import truediv
from typing import NamedTuple, cast

import torch
from torch import Tensor


class Regions(NamedTuple):
    """Rectangles in a feature map, one per node and frame.

    Attributes:
        center (Tensor[B, T, N, 2]): Centers as (x, y), in feature cells: cell p of the map has the coordinate p and
            covers p - 1/2 to p + 1/2.
        half_size (Tensor[B, T, N, 2]): Half sizes as (x, y), in feature cells.
        map_size (tuple[int, int]): Width and height (W, H) of the feature map, in cells.
    """

    center: Tensor
    half_size: Tensor
    map_size: tuple[int, int]

    def normalized(self) -> 'Regions':
        """Return the regions in frame coordinates 0..1, with a map of size (1, 1).

        Cell p of a strided convolution is centered at the fraction p / W of the frame, so no half cell is added.
        """
        center, half_size = (each_axis(truediv, value, self.map_size) for value in (self.center, self.half_size))
        return Regions(center, half_size, (1, 1))

    def on_map(self) -> 'Regions':
        """Return the regions in map coordinates 0..1, with a map of size (1, 1): cell p covers p / W to (p + 1) / W.

        Use it for positions relative to cells, and :meth:`normalized` for positions in the frame.
        """
        return self._replace(center=self.center + 0.5).normalized()

    def expand(self, batch: int, time: int) -> 'Regions':
        """Expand axes of size 1 to B clips and T frames."""
        shape = (batch, time, -1, -1)
        return self._replace(center=self.center.expand(shape), half_size=self.half_size.expand(shape))

    def boxes(self) -> Tensor:
        """Return the corners (x1, y1, x2, y2) clipped to the map: Tensor[B, T, N, 4], in the units of the regions."""
        corners = (self.center - self.half_size, self.center + self.half_size)
        return torch.cat([each_axis(lambda v, n: v.clamp(0, n), corner, self.map_size) for corner in corners], dim=-1)


def each_axis(function: Callable[[Tensor, int], Tensor], points: Tensor, size: tuple[int, int]) -> Tensor:
    """Apply ``function`` to x and the width, and to y and the height.

    The sizes stay Python numbers: a tensor would be copied to the device, with a synchronization, in every forward.

    Args:
        function (Callable): Called with a Tensor[...] and a number.
        points (Tensor[..., 2]): Points (x, y).
        size (tuple[int, int]): Width and height.

    Returns:
        Tensor[..., 2]
    """
    return torch.stack([function(points[..., axis], size[axis]) for axis in (0, 1)], dim=-1)


def decode_regions(
    offsets: Tensor,
    reference: Tensor,
    map_size: tuple[int, int],
    half_size: float | None = None,
    initial_half_size: float | None = None,
    max_size_ratio: float | None = None,
) -> Regions:
    """Decode regions from the raw predictions o = (dx, dy, w, h) of each node, eq. 12-14 of DyReg-GNN.

    ``center = W/2 (1 + tanh(dx + atanh(2 a/W - 1)))`` with the reference point a, clamped to the cells 0..W-1, and
    ``half_size = exp(w) (W/6 + 1) + 1`` as in the released code, or ``exp(w) w_init`` (eq. 12); likewise for y and H.

    Args:
        offsets (Tensor[B, T, N, 4 or 2]): Raw predictions; only (dx, dy) if the size is fixed.
        reference (Tensor[N, 2]): Reference points (x, y), in 0..1 of the map.
        map_size (tuple[int, int]): Width and height (W, H), in cells.
        half_size (float, optional): Fixed half size as a fraction of the map's side (at least one cell). None: the
            predicted size, or the initial size (W/6 + 2) if the offsets contain no size.
        initial_half_size (float, optional): w_init / W of eq. 12, for predicted sizes; None: as in the released code.
        max_size_ratio (float, optional): Limit r > 1: ``exp(w)`` becomes ``exp(ln r tanh(w / ln r))``, which is between
            1 / r and r. None: no limit.

    Returns:
        Regions
    """
    start = (2 * reference - 1).clamp(-1 + 1e-7, 1 - 1e-7).atanh().to(offsets)
    place = 1 + (offsets[..., :2] + start).tanh()
    center = each_axis(lambda v, n: (n / 2 * v).clamp(0, n - 1), place, map_size)
    if half_size is not None:
        half = each_axis(lambda v, n: torch.full_like(v, max(half_size * n, 1)), center, map_size)
    elif offsets.shape[-1] == 4:
        log_size = offsets[..., 2:]
        if max_size_ratio is not None:
            limit = math.log(max_size_ratio)
            log_size = limit * (log_size / limit).tanh()
        # exp(60) is far larger than any map; the clamp only prevents inf / inf if a size diverges
        growth = log_size.clamp(max=60).exp()
        if initial_half_size is None:
            half = each_axis(lambda v, n: v * (n / 6 + 1) + 1, growth, map_size)
        else:
            half = each_axis(lambda v, n: v * (initial_half_size * n), growth, map_size)
    else:
        half = each_axis(lambda v, n: torch.full_like(v, n / 6 + 2), center, map_size)
    return Regions(center, half, map_size)


def reference_points(
    kind: str | Sequence[tuple[float, ...]],
    num_nodes: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Return the reference points relative to which regions are predicted, in 0..1 of the map.

    Args:
        kind (str | Sequence[tuple[float, float]]): 'center': the middle of the map for all nodes; 'grid': the cell
            centers of the most square grid; or N points (x, y).
        num_nodes (int): Number of nodes N.
        dtype (torch.dtype): Dtype of the points.
        device (torch.device, optional): Device of the points.

    Returns:
        Tensor[N, 2]: As (x, y).
    """
    if kind == 'center':
        return torch.full((num_nodes, 2), 0.5, dtype=dtype, device=device)
    if kind == 'grid':
        return grid_regions([most_square_grid(num_nodes)], dtype, device)[0]
    points = cast(Sequence[tuple[float, ...]], kind)
    numbers = [torch.full((), number, dtype=dtype, device=device) for point in points for number in point]
    return torch.stack(numbers).view(num_nodes, 2)


def most_square_grid(num_cells: int) -> tuple[int, int]:
    """Return (rows, columns) of the most square grid of ``num_cells`` cells, with rows <= columns."""
    rows = max(r for r in range(1, math.isqrt(num_cells) + 1) if num_cells % r == 0)
    return rows, num_cells // rows


def grid_regions(
    grids: Iterable[tuple[int, int]], dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Return the centers and half sizes of the cells of several grids, concatenated, row by row.

    Args:
        grids (Iterable[tuple[int, int]]): Rows and columns of each grid.
        dtype (torch.dtype): Dtype of both tensors.
        device (torch.device, optional): Device of both tensors.

    Returns:
        tuple[Tensor[N, 2], Tensor[N, 2]]: (x, y) in 0..1 of the map.
    """
    centers, half_sizes = [], []
    for rows, columns in grids:
        y, x = ((torch.arange(n, dtype=dtype, device=device) + 0.5) / n for n in (rows, columns))
        centers.append(torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).flatten(0, 1))
        half_sizes.append(each_axis(lambda v, n: torch.full_like(v, 0.5 / n), centers[-1], (columns, rows)))
    return torch.cat(centers), torch.cat(half_sizes)
