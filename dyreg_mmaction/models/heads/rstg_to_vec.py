"""RSTG with a vector as output (to-vec)."""

from torch import Tensor

from dyreg_mmaction.registry import MODELS

from ..closing import closed_nodes
from ..region_graph import RegionGraph
from ..rstg import GRAPH, GRIDS
from .clip_head import ClipHead


@MODELS.register_module()
class RSTGToVec(ClipHead):
    """Apply RSTG to the backbone's last map and classify the sum of its nodes.

    Source: Recurrent Space-time Graph Neural Networks (NeurIPS 2019).

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the map.
        feature_size (int | tuple[int, int]): Height and width of the map in training, in cells.
        num_nodes (int): Number of nodes N.
        node_channels (int): Width C of the nodes and of the vector.
        regions (dict): Region source, see :mod:`dyreg_mmaction.models.regions`.
        graph (dict): Graph, see :mod:`dyreg_mmaction.models.graphs`.
        kernel (str): 'tent', or 'area' (average over the region's rectangle).
        readout (str): Nodes that are summed: 'last': those of the last frame (as on the poster); 'mean': their mean
            over time (as in the released code).
        position (bool): Whether to add a linear embedding of the kernel to each node, as in :class:`.DyRegGNN`.
        position_gradient (bool): Whether this embedding passes gradients to the regions, see :class:`.DyRegGNN`.
        **kwargs: Arguments of :class:`ClipHead`.

    Raises:
        ValueError: If a number is not positive or an option is unknown.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        feature_size: int | tuple[int, int],
        num_nodes: int = 14,
        node_channels: int = 512,
        regions: dict = GRIDS,
        graph: dict = GRAPH,
        kernel: str = 'area',
        readout: str = 'last',
        position: bool = False,
        position_gradient: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(num_classes, in_channels, node_channels, **kwargs)
        if readout not in ('last', 'mean'):
            raise ValueError(f"readout={readout!r} is unknown; choose 'last' or 'mean'")
        self.readout = readout
        self.nodes = RegionGraph(
            in_channels,
            feature_size,
            num_nodes,
            node_channels,
            regions,
            graph,
            kernel,
            position,
            position_gradient,
        )

    def clip_vector(self, x: Tensor) -> Tensor:
        """Return the sum over the nodes."""
        closed = closed_nodes(self.nodes, x.shape[0])
        nodes, _ = self.nodes.encode(x, closed)  # (B,T,N,C)
        if closed is not None:
            nodes = nodes * ~closed[..., None]
        return (nodes[:, -1] if self.readout == 'last' else nodes.mean(1)).sum(1)
