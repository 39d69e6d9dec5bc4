"""Regions of fixed size around keypoints."""

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, each_axis, soft_argmax
from dyreg_mmaction.registry import MODELS

from ..size import fraction_of_side
from .heat_maps import HeatMaps


@MODELS.register_module()
class KeypointRegions(nn.Module):
    """Regions around the mean position of each node's heat map: the Keypoints model of DyReg-GNN's appendix E.4.

    Source: Jakab et al., Unsupervised learning of object landmarks through conditional image generation (NeurIPS 2018).

    Args:
        in_channels (int): Channels C of the map.
        num_nodes (int): Number of nodes N.
        half_size (float): Half size of all regions as a fraction of the map's side; at least one cell is used.

    Shapes:
        (B, T, C, H, W) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If ``half_size`` is outside 0..1.
    """

    def __init__(self, in_channels: int, num_nodes: int = 9, half_size: float = 1 / 8) -> None:
        super().__init__()
        self.half_size = fraction_of_side(half_size)
        self.heat_maps = HeatMaps(in_channels, num_nodes)

    def forward(self, x: Tensor) -> Regions:
        """Return the regions around the keypoints."""
        size = (x.shape[-1], x.shape[-2])
        center = soft_argmax(self.heat_maps(x.flatten(0, 1))).unflatten(0, x.shape[:2])  # (B,T,N,2)
        half_size = each_axis(lambda v, n: torch.full_like(v, max(self.half_size * n, 1)), center, size)
        return Regions(center, half_size, size)
