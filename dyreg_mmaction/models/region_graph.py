"""Nodes of a feature map after message passing."""

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import adaptive_avg_pool, pool

from .building import build, check_types
from .linear import Linear
from .node_maps import KERNELS
from .size import height_and_width, positive_integer

FLAGS = dict(position=bool, position_gradient=bool)


class RegionGraph(nn.Module):
    r"""Pool nodes from the regions of a map and apply a graph.

    .. math::
        v_i = \sum_p K_i(p) z(p) + P K_i + b, \quad \hat v = graph(v)

    z is the map, projected to the node width if that differs, and K_i is the normalized kernel of node i.

    Args: see :class:`.DyRegGNN`.

    Shapes:
        ``encode``: (B, in_channels, T, H, W) -> nodes (B, T, N, C) and maps (B*T, N, H, W) for unpooling.

    Raises:
        ValueError: If a number is not positive or an option is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        feature_size: int | tuple[int, int],
        num_nodes: int,
        node_channels: int,
        regions: dict,
        graph: dict,
        kernel: str,
        position: bool,
        position_gradient: bool = True,
    ) -> None:
        super().__init__()
        size = height_and_width(feature_size, 'feature_size')
        if kernel not in KERNELS:
            raise ValueError(f'kernel={kernel!r} is unknown; choose one of {sorted(KERNELS)}')
        check_types(dict(position=position, position_gradient=position_gradient), FLAGS, type(self).__name__)
        if not position and not position_gradient:
            raise ValueError('position_gradient=False has no effect without position=True; remove it')
        self.feature_size = size
        self.num_nodes = positive_integer(num_nodes, 'num_nodes')
        self.node_channels = node_channels
        self.kernel = kernel
        self.project = None
        if positive_integer(node_channels, 'node_channels') != in_channels:
            self.project = nn.Sequential(nn.Conv2d(in_channels, node_channels, 1), nn.GroupNorm(1, node_channels))
        self.regions = _build(regions, 'regions', in_channels=node_channels, feature_size=size, num_nodes=num_nodes)
        self.position = Linear(size[0] * size[1], node_channels) if position else None
        self.position_gradient = position_gradient
        self.graph = _build(graph, 'graph', channels=node_channels)

    def encode(self, x: Tensor, closed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the nodes and the maps for unpooling, which are 0 for closed nodes, see :func:`.close_nodes`."""
        clips = (-1, x.shape[2])
        z = x.transpose(1, 2).flatten(0, 1)  # (B*T,C',H,W)
        if self.project is not None:
            z = self.project(z)  # (B*T,C,H,W)
        regions = self.regions(z.unflatten(0, clips))
        if isinstance(regions, Tensor):  # maps instead of regions
            pool_maps = unpool_maps = regions.flatten(0, 1)  # (B*T,N,H,W)
            regions = None
        else:
            pool_maps, unpool_maps = KERNELS[self.kernel](regions, (z.shape[-2], z.shape[-1]))  # (B*T,N,H,W)
        nodes = pool(z, pool_maps.to(z.dtype))  # (B*T,N,C)
        if self.position is not None:
            maps = pool_maps if self.position_gradient else pool_maps.detach()
            weights = adaptive_avg_pool(maps, self.feature_size).flatten(2)  # (B*T,N,H*W)
            nodes = nodes + self.position(weights.to(self.position.weight.dtype))
        nodes = nodes.unflatten(0, clips)
        if closed is None:
            return self.graph(nodes, regions), unpool_maps
        closed = closed.expand(nodes.shape[:3])
        some = closed.flatten(1).any(1)[:, None, None, None]  # clips without closed nodes stay bit-identical
        nodes = torch.where(some, self.graph(nodes, regions, closed), self.graph(nodes, regions))
        return nodes, unpool_maps * ~closed.flatten(0, 1)[..., None, None]


def _build(cfg: dict, what: str, **sizes: object) -> nn.Module:
    """Build a sub-module whose sizes are given by its parent."""
    if isinstance(cfg, dict) and (own := sizes.keys() & cfg.keys()):
        raise ValueError(f'{what} {cfg.get("type")!r} sets {sorted(own)}, which the parent module defines; remove them')
    return build(cfg, what, **sizes)
