"""One soft attention map per node instead of a region."""

from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from .heat_maps import HeatMaps


@MODELS.register_module()
class SemanticMaps(nn.Module):
    r"""Attention maps over all positions, without localisation: the Semantic model of DyReg-GNN.

    ``K_i = softmax over positions of a 1x1 convolution on f(X)``, so that each node is a weighted average of the whole
    map. The maps stand in for the kernels of a region source, for pooling and unpooling alike.

    Args:
        in_channels (int): Channels C of the map.
        num_nodes (int): Number of nodes N.

    Shapes:
        (B, T, C, H, W) -> (B, T, N, H, W), each map summing to 1
    """

    def __init__(self, in_channels: int, num_nodes: int = 9) -> None:
        super().__init__()
        self.heat_maps = HeatMaps(in_channels, num_nodes)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the nodes."""
        return self.heat_maps(x.flatten(0, 1)).unflatten(0, x.shape[:2])
