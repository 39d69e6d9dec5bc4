"""Auxiliary classifier of the pooled nodes, which trains regions by the class label."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, pool

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

    Shapes:
        nodes (B*T, N, C) of each plugin -> scores (B*T, num_classes) of each plugin
    """

    def __init__(self, widths: Mapping[str, int], num_classes: int, hidden_channels: int = 64) -> None:
        super().__init__()
        self.paths = list(widths)
        self.layers = nn.ModuleDict(
            {
                _key(path): nn.Sequential(
                    Linear(width, hidden_channels), nn.ReLU(), Linear(hidden_channels, num_classes)
                )
                for path, width in widths.items()
            }
        )

    def forward(self, nodes: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the scores of all frames, (B*T, num_classes) for each plugin, from nodes (B*T, N, C) by path."""
        return [self.layers[_key(path)](nodes[path]).sum(1) for path in self.paths]


@contextmanager
def record_maps(
    model: nn.Module, graphs: Mapping[str, RegionGraph]
) -> Iterator[dict[str, tuple[Tensor, Regions | Tensor]]]:
    """Record what the nodes are pooled from in the last forward that this thread runs inside the context.

    Args:
        model (nn.Module): The model that runs.
        graphs (Mapping[str, RegionGraph]): The recorded plugins, by path.

    Yields:
        dict[str, tuple[Tensor, Regions | Tensor]]: By path: the map and the output of the region source, attached to
            the autograd graph of the forward.
    """
    record: dict[str, tuple[Tensor, Regions | Tensor]] = {}
    with ExitStack() as hooks:
        for path, graph in graphs.items():

            def keep(_: nn.Module, args: tuple, output: Regions | Tensor, path: str = path) -> None:
                record[path] = args[0], output

            hooks.callback(listen(graph.regions, keep).remove)
        with eagerly(model):
            yield record


def pool_nodes(z: Tensor, regions: Regions | Tensor, kernel: str) -> Tensor:
    """Pool a map (B, T, C, H, W) in regions (B, T, N, 2), or by maps (B, T, N, H, W): Tensor[B*T, N, C]."""
    size = (z.shape[-2], z.shape[-1])
    maps = regions.flatten(0, 1) if isinstance(regions, Tensor) else KERNELS[kernel](regions, size)[0]
    return pool(z.flatten(0, 1), maps.to(z.dtype))


def _key(path: str) -> str:
    return path.replace('.', '-')
