"""The joint layer norm of DyReg-GNN on node tensors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class JointLayerNorm(nn.LayerNorm):
    """Layer norm taken jointly over nodes and channels, with a scale and a bias per channel only.

    It fits any number of nodes. On maps (B, C, H, W) the same norm is ``nn.GroupNorm(1, C)``. As an ``nn.LayerNorm`` it
    follows the rules for norms, such as ``norm_decay_mult`` of MMEngine's optimizer constructors.

    Args:
        channels (int): Number of channels C.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x (..., N, C) over its last two axes."""
        return torch.addcmul(self.bias, F.layer_norm(x, x.shape[-2:], eps=self.eps), self.weight)
