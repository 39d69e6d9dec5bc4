"""SyncBatchNorm on CPUs."""

import functools
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import SyncBatchNorm
from torch.nn.parallel import DistributedDataParallel


def sync_norms_on_cpu() -> None:
    """SyncBatchNorm and DDP raise an error on CPUs. There ``all_reduce`` now sums the statistics.

    Configs with ``sync_bn='torch'`` or ``norm_cfg=dict(type='SyncBN')`` train on CPUs as on GPUs.
    """
    stock = SyncBatchNorm.forward
    stock_check = DistributedDataParallel._passing_sync_batchnorm_handle

    @functools.wraps(stock)
    def forward(self: SyncBatchNorm, x: Tensor) -> Tensor:
        is_ours = x.device.type == 'cpu' and self.training and dist.is_available() and dist.is_initialized()
        return _sync_norm(self, x) if is_ours else stock(self, x)

    @functools.wraps(stock_check)
    def check(self: Any, module: Any) -> None:
        if self.device_type != 'cpu':
            stock_check(self, module)

    SyncBatchNorm.forward = forward  # type: ignore[method-assign, assignment]
    DistributedDataParallel._passing_sync_batchnorm_handle = check  # type: ignore[method-assign]


def _sync_norm(norm: Any, x: Tensor) -> Tensor:
    """Normalize x (B, C, ...) in training with the mean and variance over the batches of all processes."""
    from dyreg_mmaction.ops import all_sum  # not at import, like all patches

    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [1 if axis in axes else -1 for axis in range(x.ndim)]
    group = norm.process_group or dist.group.WORLD
    count = all_sum(torch.tensor(x.numel() / x.shape[1]), group)
    mean = all_sum(x.float().sum(axes), group) / count
    centered = x.float() - mean.view(shape)
    variance = all_sum(centered.square().sum(axes), group) / count
    if norm.track_running_stats:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            momentum = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
            for running, now in ((norm.running_mean, mean), (norm.running_var, variance * count / (count - 1))):
                running.lerp_(now.to(running.dtype), momentum)
    y = centered * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y.to(x.dtype)
