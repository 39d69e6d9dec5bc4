"""Fixed regions on grids."""

from collections.abc import Sequence
from operator import mul

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, at_least_float32, each_axis, grid_regions, most_square_grid
from dyreg_mmaction.registry import MODELS

from ..size import fraction_of_side


@MODELS.register_module()
class FixedRegions(nn.Module):
    """The cells of one or several grids, equal in every frame.

    With ``kernel='area'`` each node is the average over its cell (the Fixed model of DyReg-GNN, the nodes of RSTG).
    With 'tent' each node has a tent around the cell's center with a range of ``half_size``.

    Args:
        num_nodes (int): Number of nodes N.
        grids (Sequence[tuple[int, int]], optional): Rows and columns of each grid, with N cells in total. None: the
            most square grid of N cells.
        half_size (float, optional): Half size of all regions as a fraction of the map's side. None: that of the cell.

    Shapes:
        (B, T, C, H, W) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If the grids do not have N cells, or ``half_size`` is outside 0..1.
    """

    def __init__(
        self,
        num_nodes: int = 9,
        grids: Sequence[tuple[int, int]] | None = None,
        half_size: float | None = None,
    ) -> None:
        super().__init__()
        self.grids = [most_square_grid(num_nodes)] if grids is None else _checked(grids)
        cells = sum(rows * columns for rows, columns in self.grids)
        if cells != num_nodes:
            raise ValueError(f'grids={grids} have {cells} cells, but num_nodes is {num_nodes}; set num_nodes={cells}')
        self.half_size = half_size if half_size is None else fraction_of_side(half_size)

    def forward(self, x: Tensor) -> Regions:
        """Return the grid in cells of the map x."""
        size = (x.shape[-1], x.shape[-2])
        center, half_size = grid_regions(self.grids, at_least_float32(x.dtype), x.device)  # (N,2)
        if self.half_size is not None:
            half_size = torch.full_like(half_size, self.half_size)
        center, half_size = (each_axis(mul, value, size)[None, None] for value in (center, half_size))
        center = center - 0.5  # cell p has the coordinate p and not p + 1/2
        return Regions(center, half_size, size).expand(x.shape[0], x.shape[1])


def _checked(grids: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    pairs = grids if isinstance(grids, Sequence) else [grids]
    if not all(isinstance(g, Sequence) and len(g) == 2 and all(isinstance(n, int) and n > 0 for n in g) for g in pairs):
        raise ValueError(
            f'grids is {grids!r}, but must be a list of (rows, columns), like [(3, 3)] or [(3, 3), (1, 1)]'
        )
    return [(rows, columns) for rows, columns in pairs]
