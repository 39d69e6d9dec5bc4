"""RSTG, Recurrent Space-time Graph neural networks, with a map as output (to-map)."""

from dyreg_mmaction.registry import MODELS

from .dyreg_gnn import DyRegGNN

GRIDS = dict(type='dyreg_mmaction.FixedRegions', grids=[(3, 3), (2, 2), (1, 1)])
GRAPH = dict(type='dyreg_mmaction.MultiScaleGraph')


@MODELS.register_module()
class RSTG(DyRegGNN):
    """:class:`DyRegGNN` with the nodes and the graph of RSTG.

    Nodes are averages over the cells of a 3 x 3, a 2 x 2 and a 1 x 1 grid, 14 in total. The graph links neighboring
    cells of all scales. Region sources and graphs of both modules are interchangeable.

    Source: Recurrent Space-time Graph Neural Networks (NeurIPS 2019). docs/research/rstg.md lists the differences
    between poster and released code, and our choices.

    Args: see :class:`DyRegGNN`.

    Shapes:
        (B, in_channels, T, H, W) -> the same.

    Raises:
        ValueError: If a number is not positive or an option is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        feature_size: int | tuple[int, int],
        num_nodes: int = 14,
        node_channels: int | None = 512,
        regions: dict = GRIDS,
        graph: dict = GRAPH,
        kernel: str = 'area',
        position: bool = False,
    ) -> None:
        super().__init__(in_channels, feature_size, num_nodes, node_channels, regions, graph, kernel, position)
