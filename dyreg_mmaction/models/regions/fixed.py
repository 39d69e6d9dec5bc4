"""Regions on grids: nothing is learned."""

from collections.abc import Sequence

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, grid_regions, most_square_grid
from dyreg_mmaction.registry import MODELS


@MODELS.register_module()
class FixedRegions(nn.Module):
    """The cells of one or several grids, the same in every frame.

    With ``kernel='area'`` each node is the average over its cell (the Fixed model of DyReg-GNN, the nodes of RSTG),
    with 'tent' a tent around the cell's centre that reaches as far as ``half_size``.

    Args:
        in_channels (int): Not used: all region sources are built alike.
        feature_size (tuple[int, int]): Not used.
        num_nodes (int): Number of nodes N.
        grids (Sequence[tuple[int, int]], optional): Rows and columns of each grid, N cells together; None: the most
            square grid of N cells.
        half_size (float, optional): Half size of all regions as a part of the side of the map; None: of the cell.

    Shapes:
        (B, T, C, H, W) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If the grids do not have N cells.
    """

    center: Tensor
    half_size: Tensor

    def __init__(
        self,
        in_channels: int,
        feature_size: tuple[int, int],
        num_nodes: int = 9,
        grids: Sequence[tuple[int, int]] | None = None,
        half_size: float | None = None,
    ) -> None:
        super().__init__()
        grids = [most_square_grid(num_nodes)] if grids is None else grids
        center, cell = grid_regions(grids)
        if len(center) != num_nodes:
            raise ValueError(f'grids={grids} have {len(center)} cells; set num_nodes={len(center)}, not {num_nodes}')
        self.register_buffer('center', center.float(), persistent=False)
        half = cell if half_size is None else cell.new_tensor(half_size).expand_as(cell)
        self.register_buffer('half_size', half.float(), persistent=False)

    def forward(self, x: Tensor) -> Regions:
        """The grid in the cells of the map x."""
        size = (x.shape[-1], x.shape[-2])
        scale = self.center.new_tensor(size)
        shape = (*x.shape[:2], -1, -1)
        return Regions((self.center * scale).expand(shape), (self.half_size * scale).expand(shape), size)
