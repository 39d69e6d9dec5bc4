"""Auxiliary classifier of the pooled nodes, which trains regions by the class label."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, map_regions, pool

from .linear import Linear
from .listening import eagerly, listen
from .node_maps import KERNELS
from .region_graph import RegionGraph


class NodeClassifier(nn.Module):
    r"""Classify each frame by its nodes, before position embedding and messages.

    .. math::
        v_{i,t} = \sum_p K_{i,t}(p) z_t(p), \quad s_t = \sum_i (A \, relu(B v_{i,t} + b) + a)

    These nodes contain only what the regions of one frame cover, so the class loss of s_t trains the regions to cover
    what determines the class.

    Args:
        widths (Mapping[str, int]): Node channels C of each plugin, by path. Plugins do not share weights.
        num_classes (int): Number of classes.
        hidden_channels (int): Number of rows of B.
    """

    def __init__(self, widths: Mapping[str, int], num_classes: int, hidden_channels: int = 64) -> None:
        super().__init__()
        self.paths = list(widths)
        self.layers = nn.ModuleList(
            nn.Sequential(Linear(width, hidden_channels), nn.ReLU(), Linear(hidden_channels, num_classes))
            for width in widths.values()
        )

    def forward(self, nodes: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the scores of all frames, (B*T, num_classes) for each plugin, from nodes (B*T, N, C) by path."""
        return [layers(nodes[path]).sum(1) for path, layers in zip(self.paths, self.layers, strict=True)]


@contextmanager
def record_nodes(model: nn.Module, graphs: Mapping[str, RegionGraph]) -> Iterator[dict[str, tuple[Regions, Tensor]]]:
    """Record the regions and the pooled nodes (B*T, N, C) of the last forward that this thread runs inside the context.

    Args:
        model (nn.Module): The model that runs.
        graphs (Mapping[str, RegionGraph]): The recorded plugins, by path.

    Yields:
        dict[str, tuple[Regions, Tensor]]: By path; attached to the autograd graph of the forward.
    """
    record: dict[str, tuple[Regions, Tensor]] = {}
    with ExitStack() as hooks:
        for path, graph in graphs.items():

            def keep(_: nn.Module, args: tuple, output: Regions | Tensor, path=path, kernel=graph.kernel) -> None:
                regions = map_regions(output) if isinstance(output, Tensor) else output
                record[path] = regions, pool_nodes(args[0], output, kernel)

            hooks.callback(listen(graph.regions, keep).remove)
        with eagerly(model):
            yield record


def pool_nodes(z: Tensor, regions: Regions | Tensor, kernel: str) -> Tensor:
    """Pool a map (B, T, C, H, W) in regions (B, T, N, 2), or by maps (B, T, N, H, W): Tensor[B*T, N, C]."""
    size = (z.shape[-2], z.shape[-1])
    maps = regions.flatten(0, 1) if isinstance(regions, Tensor) else KERNELS[kernel](regions, size)[0]
    return pool(z.flatten(0, 1), maps.to(z.dtype))
