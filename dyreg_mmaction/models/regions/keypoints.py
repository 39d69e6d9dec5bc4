"""Regions of fixed size around keypoints."""

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, soft_argmax
from dyreg_mmaction.registry import MODELS

from .heat_maps import HeatMaps


@MODELS.register_module()
class KeypointRegions(nn.Module):
    """Each node looks around the mean position under its heat map: the Keypoints model of DyReg-GNN's appendix E.4.

    Source: Jakab et al., Unsupervised learning of object landmarks through conditional image generation (NeurIPS 2018).

    Args:
        in_channels (int): Channels C of the map.
        feature_size (tuple[int, int]): Not used: heat maps have the size of the input.
        num_nodes (int): Number of nodes N.
        half_size (float): Half size of all regions as a part of the side of the map; at least one cell is taken.

    Shapes:
        (B, T, C, H, W) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If ``half_size`` lies outside 0..1.
    """

    def __init__(
        self, in_channels: int, feature_size: tuple[int, int], num_nodes: int = 9, half_size: float = 1 / 8
    ) -> None:
        super().__init__()
        if not 0 < half_size <= 1:
            raise ValueError(f'half_size={half_size} must be a part of the side of the map, above 0 and at most 1')
        self.half_size = half_size
        self.heat_maps = HeatMaps(in_channels, num_nodes)

    def forward(self, x: Tensor) -> Regions:
        """Regions around the keypoints."""
        size = (x.shape[-1], x.shape[-2])
        center = soft_argmax(self.heat_maps(x.flatten(0, 1))).unflatten(0, x.shape[:2])  # (B,T,N,2)
        half_size = (center.new_tensor(size) * self.half_size).clamp(min=1)
        return Regions(center, half_size.expand_as(center), size)
