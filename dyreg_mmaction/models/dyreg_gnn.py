"""DyReg-GNN: a graph on regions of a feature map, added to the map as a residual."""

from collections.abc import Callable

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, adaptive_avg_pool, area, normalize, outer, pool, tent, unpool
from dyreg_mmaction.registry import MODELS

from .size import height_and_width


@MODELS.register_module()
class DyRegGNN(nn.Module):
    r"""Refines a feature map by a graph network on its regions.

    .. math::
        v_i = \sum_p K_i(p) z(p) + P K_i + b, \quad \hat v = graph(v), \quad
        y(p) = \sum_i K_i(p) \hat v_i, \quad out = X + norm(y)

    with z the map, projected to the node width where that differs, and K_i the normalised kernel of node i. The norm's
    scale starts at 0, so the module starts as the identity.

    Source: DyReg-GNN (NeurIPS 2021), arithmetic of the released model.

    Args:
        in_channels (int): Channels of the map.
        feature_size (int | tuple[int, int]): Height and width of the map in training, in cells. Maps of other sizes
            are handled as by the released full-resolution evaluation: regions are predicted and positions embedded
            at this size.
        num_nodes (int): Number of nodes N.
        node_channels (int, optional): Width C of the nodes; None: ``in_channels``, but 256 at most.
        regions (dict): Region source, see :mod:`dyreg_mmaction.models.regions`; one may also give the nodes' maps
            themselves, (B, T, N, H, W), that are then used in place of kernels.
        graph (dict): Graph, see :mod:`dyreg_mmaction.models.graphs`.
        kernel (str): 'tent' or 'area' (average over the region's rectangle).
        position (bool): Whether a linear embedding P of the kernel is added to each node.

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
        regions: dict = dict(type='DynamicRegions'),
        graph: dict = dict(type='SpaceTimeGraph'),
        kernel: str = 'tent',
        position: bool = True,
    ) -> None:
        super().__init__()
        channels = min(in_channels, 256) if node_channels is None else node_channels
        size = height_and_width(feature_size, 'feature_size')
        for name, value in (('num_nodes', num_nodes), ('node_channels', channels)):
            if value < 1:
                raise ValueError(f'{name}={value} must be at least 1')
        if kernel not in KERNELS:
            raise ValueError(f'kernel={kernel!r} is unknown; choose one of {sorted(KERNELS)}')
        self.feature_size = size
        self.kernel = kernel
        self.project = self.project_back = None
        if channels != in_channels:
            self.project = nn.Sequential(nn.Conv2d(in_channels, channels, 1), nn.GroupNorm(1, channels))
            self.project_back = nn.Conv2d(channels, in_channels, 1)
        self.regions = _build(regions, 'region source', in_channels=channels, feature_size=size, num_nodes=num_nodes)
        self.position = nn.Linear(size[0] * size[1], channels) if position else None
        self.graph = _build(graph, 'graph', channels=channels)
        self.norm = nn.GroupNorm(1, in_channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The refined map."""
        clips = (-1, x.shape[2])
        z = x.transpose(1, 2).flatten(0, 1)  # (B*T,C',H,W)
        if self.project is not None:
            z = self.project(z)  # (B*T,C,H,W)
        regions = self.regions(z.unflatten(0, clips))
        if isinstance(regions, Tensor):  # maps instead of regions
            pool_maps = unpool_maps = regions.flatten(0, 1)  # (B*T,N,H,W)
            regions = None
        else:
            pool_maps, unpool_maps = KERNELS[self.kernel](regions, z.shape[-2:])  # (B*T,N,H,W)
        nodes = pool(z, pool_maps.to(z.dtype))  # (B*T,N,C)
        if self.position is not None:
            nodes = nodes + self.position(adaptive_avg_pool(pool_maps, self.feature_size).flatten(2))
        nodes = self.graph(nodes.unflatten(0, clips), regions).flatten(0, 1)
        y = unpool(nodes, unpool_maps.to(nodes.dtype))
        if self.project_back is not None:
            y = self.project_back(y)  # (B*T,C',H,W)
        y = self.norm(y).to(x.dtype)
        return x + y.unflatten(0, clips).transpose(1, 2)


def _tent_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Tents, normalised, for pooling and unpooling alike."""
    kx, ky = _axes(regions, size, tent)
    maps = outer(normalize(ky), normalize(kx))
    return maps, maps


def _area_maps(regions: Regions, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Average over the rectangle for pooling; for unpooling the part of each cell that it covers."""
    kx, ky = _axes(regions, size, area)
    return outer(normalize(ky), normalize(kx)), outer(ky, kx)


def _axes(regions: Regions, size: tuple[int, int], kernel: Callable) -> list[Tensor]:
    center, half_size = regions.center.flatten(0, 1), regions.half_size.flatten(0, 1)  # (B*T,N,2)
    return [kernel(center[..., axis], half_size[..., axis], size[1 - axis]) for axis in (0, 1)]


KERNELS = {'tent': _tent_maps, 'area': _area_maps}


def _build(cfg: dict, what: str, **sizes: object) -> nn.Module:
    kind = cfg.get('type')
    if kind is None or (isinstance(kind, str) and MODELS.get(kind) is None):
        raise ValueError(f'{what} type={kind!r} is not registered; see dyreg_mmaction.models for those there are')
    if own := sizes.keys() & cfg.keys():
        raise ValueError(f'{what} {kind!r} must not set {sorted(own)}; they are those of the module that holds it')
    return MODELS.build({**cfg, **sizes})
