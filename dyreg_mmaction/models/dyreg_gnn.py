"""DyReg-GNN: a graph network on regions of a feature map, added to the map as a residual."""

import math

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import add_unpooled, linear, normalize_unpooled, unpool, without_autocast
from dyreg_mmaction.registry import MODELS

from .closing import closed_nodes
from .region_graph import RegionGraph

REGIONS = dict(type='dyreg_mmaction.DynamicRegions')  # with scope, as other packages may register the same name
GRAPH = dict(type='dyreg_mmaction.SpaceTimeGraph')


@MODELS.register_module()
class DyRegGNN(RegionGraph):
    r"""Refine a feature map by a graph network on its regions.

    .. math::
        v_i = \sum_p K_i(p) z(p) + P K_i + b, \quad \hat v = graph(v), \quad
        y(p) = \sum_i K_i(p) \hat v_i, \quad out = X + norm(y)

    z is the map, projected to the node width if that differs, and K_i is the normalized kernel of node i. The norm's
    scale starts at 0, so the module starts as the identity.

    Source: DyReg-GNN (NeurIPS 2021), with the arithmetic of the released model.

    Args:
        in_channels (int): Channels of the map.
        feature_size (int | tuple[int, int]): Height and width of the map in training, in cells. For maps of other
            sizes, regions are predicted and positions embedded at this size, as in the released full-resolution
            evaluation.
        num_nodes (int): Number of nodes N.
        node_channels (int, optional): Width C of the nodes. Defaults to ``in_channels``, but at most 256.
        regions (dict): Region source, see :mod:`dyreg_mmaction.models.regions`. A source may also return the maps of
            the nodes, (B, T, N, H, W), which replace the kernels.
        graph (dict): Graph, see :mod:`dyreg_mmaction.models.graphs`.
        kernel (str): 'tent': divided by its sum; 'raw_tent': unnormalized, as in eq. 6 and 7; 'area': average over the
            region's rectangle.
        position (bool): Whether to add a linear embedding P of the kernel to each node.
        residual_scale (float): Initial scale of the norm. With 0 the module starts as the identity, and nodes have no
            gradient in the first iteration.
        skip_dropout (float): Fraction of the training clips whose output is norm(y) without X, so that later layers
            must use the nodes. Without it a network that can solve much of the task from X has little use for them. Use
            it with ``residual_scale=1``, as with 0 these clips start as zeros.
        position_gradient (bool): Whether the position embedding passes gradients to the regions. With True, regions can
            learn to encode information about the frame for the embedding, instead of locating objects. The pooled
            features and the places that nodes are written to always pass gradients.

    Shapes:
        (B, in_channels, T, H, W) -> the same.

    Raises:
        ValueError: If a number is not positive or an option is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        feature_size: int | tuple[int, int],
        num_nodes: int = 9,
        node_channels: int | None = None,
        regions: dict = REGIONS,
        graph: dict = GRAPH,
        kernel: str = 'tent',
        position: bool = True,
        residual_scale: float = 0.0,
        skip_dropout: float = 0.0,
        position_gradient: bool = True,
    ) -> None:
        channels = min(in_channels, 256) if node_channels is None else node_channels
        super().__init__(
            in_channels, feature_size, num_nodes, channels, regions, graph, kernel, position, position_gradient
        )
        self.project_back = nn.Conv2d(channels, in_channels, 1) if channels != in_channels else None
        self.norm = nn.GroupNorm(1, in_channels)
        if not (isinstance(residual_scale, int | float) and math.isfinite(residual_scale)):
            raise ValueError(f'residual_scale is {residual_scale!r}, but must be a finite number; use 0 or 1')
        nn.init.constant_(self.norm.weight, residual_scale)
        if not (isinstance(skip_dropout, int | float) and 0 <= skip_dropout < 1):
            raise ValueError(f'skip_dropout is {skip_dropout!r}, but must be a number of at least 0 and below 1')
        self.skip_dropout = skip_dropout

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined map."""
        closed = closed_nodes(self, x.shape[0])
        nodes, maps = self.encode(x, closed)  # (B,T,N,C), (B*T,N,H,W)
        with without_autocast(x):
            nodes, maps = self._write_back(nodes.flatten(0, 1).to(maps.dtype), maps)
            if closed is not None:  # frames without open nodes must not get the biases either
                maps = maps * ~closed.all(-1).expand(x.shape[0], x.shape[2]).reshape(-1, 1, 1, 1)
            nodes, maps = nodes.to(x.dtype), maps.to(x.dtype)
            frames = x.transpose(1, 2)  # (B,T,C',H,W)
            if self.training and self.skip_dropout:
                frames = frames * (torch.rand(len(x), 1, 1, 1, 1, device=x.device) >= self.skip_dropout)
            if frames.stride(0) == frames.shape[1] * frames.stride(1):
                y = add_unpooled(frames.flatten(0, 1), nodes, maps).unflatten(0, frames.shape[:2])
            else:
                y = frames + unpool(nodes, maps).unflatten(0, frames.shape[:2])
        return y.transpose(1, 2)

    def _write_back(self, nodes: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return nodes (B*T,N',C') and maps (B*T,N',H,W) whose unpooling is norm(project_back(y))."""
        if self.project_back is not None:  # N nodes, not H * W cells; the bias becomes an extra node whose map is 1
            weight, bias = (parameter.to(maps.dtype) for parameter in self.project_back.parameters())
            nodes = torch.cat((linear(nodes, weight.flatten(1)), bias.expand(nodes.shape[0], 1, -1)), dim=1)
            maps = torch.cat((maps, torch.ones_like(maps[:, :1])), dim=1)
        weight, bias = (parameter.to(maps.dtype) for parameter in self.norm.parameters())
        return normalize_unpooled(nodes, maps, weight, bias, self.norm.eps)
