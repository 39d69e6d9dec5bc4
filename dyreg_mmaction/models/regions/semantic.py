"""Soft attention maps instead of regions."""

from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from .heat_maps import HeatMaps


@MODELS.register_module()
class SemanticMaps(nn.Module):
    r"""Attention maps over all positions, without localization: the Semantic model of DyReg-GNN.

    ``K_i = softmax over positions of a 1x1 convolution on f(X)``, so each node is a weighted average of the whole map.
    The maps replace the kernels of regions in pooling and unpooling.

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
        """Return the maps of the nodes."""
        return self.heat_maps(x.flatten(0, 1)).unflatten(0, x.shape[:2])
