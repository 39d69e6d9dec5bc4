"""The joint layer norm of DyReg-GNN on node tensors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import open_layer_norm


class JointLayerNorm(nn.LayerNorm):
    """Layer norm taken jointly over nodes and channels, with a scale and a bias per channel only.

    It fits any number of nodes. On maps (B, C, H, W) the same norm is ``nn.GroupNorm(1, C)``. As an ``nn.LayerNorm`` it
    follows the rules for norms, such as ``norm_decay_mult`` of MMEngine's optimizer constructors.

    Args:
        channels (int): Number of channels C.
    """

    def forward(self, x: Tensor, closed: Tensor | None = None) -> Tensor:
        """Normalize x (..., N, C) over its last two axes; nodes that are ``closed`` (..., N) do not count."""
        if closed is None:
            normed = F.layer_norm(x, x.shape[-2:], eps=self.eps)
        else:
            normed = open_layer_norm(x, closed, self.eps)
        return torch.addcmul(self.bias, normed, self.weight)
