"""Norms of node tensors: the joint layer norm of DyReg-GNN, and standardization over the batch."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import all_sum, at_least_float32, open_layer_norm, without_autocast


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


class BatchStandardize(nn.Module):
    """Standardize each node and channel over clips and frames, without scale and bias.

    In training the statistics are those of the batch, summed over all processes, so that two processes with half the
    batch each compute the same as one. In evaluation they are running averages. Gradient accumulation uses the
    statistics of each small batch. Unlike batch norms of a backbone it is not frozen by ``norm_eval``, because fixed
    statistics do not keep the variation of its output.

    Args:
        num_nodes (int): Number of nodes N.
        channels (int): Number of channels C.
        momentum (float): Weight of the new batch in the running averages.
        eps (float): Added to the variance.

    Shapes:
        (B, T, N, C) -> the same, in at least float32.

    Raises:
        ValueError: If a training batch has only one clip of one frame.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_nodes: int, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer('running_mean', torch.zeros(num_nodes * channels))
        self.register_buffer('running_var', torch.ones(num_nodes * channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardized tensor."""
        dtype = at_least_float32(x.dtype)
        rows = x.flatten(0, 1).flatten(1).to(dtype)  # (B*T,N*C)
        with without_autocast(x):
            if self.training and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
                rows = self._over_processes(rows)
            else:
                running = self.running_mean.to(dtype), self.running_var.to(dtype)
                rows = F.batch_norm(rows, *running, training=self.training, momentum=self.momentum, eps=self.eps)
                if self.training and self.running_mean.dtype != dtype:  # of a half precision model
                    self.running_mean.copy_(running[0])
                    self.running_var.copy_(running[1])
        return rows.view(x.shape)

    def _over_processes(self, rows: Tensor) -> Tensor:
        count = all_sum(rows.new_tensor(len(rows)))
        mean = all_sum(rows.sum(0)) / count
        centered = rows - mean
        variance = all_sum(centered.square().sum(0)) / count
        with torch.no_grad():
            for running, value in ((self.running_mean, mean), (self.running_var, variance * count / (count - 1))):
                running.lerp_(value.to(running.dtype), self.momentum)
        return centered * (variance + self.eps).rsqrt()
