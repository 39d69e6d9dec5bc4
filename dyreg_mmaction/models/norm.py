"""The joint layer norm of DyReg-GNN on node tensors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class JointLayerNorm(nn.Module):
    """Layer norm taken jointly over nodes and channels, with a scale and a bias per channel only.

    It fits any number of nodes. On maps (B, C, H, W) the same norm is ``nn.GroupNorm(1, C)``.

    Args:
        channels (int): Number of channels C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., N, C) over its last two axes."""
        return torch.addcmul(self.bias, F.layer_norm(x, x.shape[-2:]), self.weight)
