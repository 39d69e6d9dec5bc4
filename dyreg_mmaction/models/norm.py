"""The joint layer norm of DyReg-GNN for node tensors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import open_layer_norm


class JointLayerNorm(nn.LayerNorm):
    """Layer norm over nodes and channels jointly, with a scale and a bias per channel.

    It can be applied to any number of nodes. For maps (B, C, H, W) the same norm is ``nn.GroupNorm(1, C)``. It is a
    subclass of ``nn.LayerNorm``, so rules for norms apply, such as ``norm_decay_mult`` of MMEngine's optimizer
    constructors.

    Args:
        channels (int): Number of channels C.
    """

    def forward(self, x: Tensor, closed: Tensor | None = None) -> Tensor:
        """Normalize x (..., N, C) over its last two axes, with the statistics of the nodes not ``closed`` (..., N)."""
        if closed is None:
            normed = F.layer_norm(x, x.shape[-2:], eps=self.eps)
        else:
            normed = open_layer_norm(x, closed, self.eps)
        return torch.addcmul(self.bias, normed, self.weight)
