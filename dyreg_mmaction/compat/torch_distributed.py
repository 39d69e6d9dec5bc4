"""torch.distributed of PyTorch 2."""

import functools
import importlib
import os
import warnings
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import SyncBatchNorm
from torch.nn.parallel import DistributedDataParallel


def sync_norms_on_cpu() -> None:
    """``torch/nn/modules/batchnorm.py:846``: SyncBatchNorm refuses a CPU in several processes; now it runs there too.

    ``torch/nn/parallel/distributed.py:2452`` refuses it as well, in a method that does nothing else. So configs for
    GPUs, with ``sync_bn='torch'`` or ``norm_cfg=dict(type='SyncBN')``, train alike on CPUs.
    """
    stock = SyncBatchNorm.forward

    @functools.wraps(stock)
    def forward(self: SyncBatchNorm, x: Tensor) -> Tensor:
        is_ours = x.device.type == 'cpu' and self.training and dist.is_available() and dist.is_initialized()
        return _sync_norm(self, x) if is_ours else stock(self, x)

    SyncBatchNorm.forward = forward  # type: ignore[method-assign, assignment]
    DistributedDataParallel._passing_sync_batchnorm_handle = lambda self, module: None  # type: ignore[method-assign]


def forget_processes_that_ended() -> None:
    """``torch/distributed/rendezvous.py:190``: processes that torchrun has restarted read where the dead ones listened.

    torchrun keeps one store through all restarts, so that a process may find the address of its neighbour before the
    restart, and wait for it for good. Now each restart has keys of its own. The first start has those that processes
    without this patch use.
    """
    if not dist.is_available():
        return
    rendezvous: Any = importlib.import_module('torch.distributed.rendezvous')  # a function has taken its name
    stock = getattr(rendezvous, '_create_c10d_store', None)
    if stock is None:
        if _restarts():
            warnings.warn(
                f'torch {torch.__version__} has no _create_c10d_store: processes that torchrun has restarted may not '
                'find each other; if they hang, start torchrun again',
                stacklevel=2,
            )
        return

    @functools.wraps(stock)
    def create(*args: Any, **kwargs: Any) -> dist.Store:
        store = stock(*args, **kwargs)
        return dist.PrefixStore(f'start_{_restarts()}', store) if _restarts() else store

    rendezvous._create_c10d_store = create


def _restarts() -> int:
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0)


class _Sum(torch.autograd.Function):
    """Sum over all processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(gradient, ctx.group), None


def _sync_norm(norm: Any, x: Tensor) -> Tensor:
    """Batch norm of x (B, C, ...) in training, by mean and variance of the batches of all processes."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [1 if axis in axes else -1 for axis in range(x.ndim)]
    group = norm.process_group or dist.group.WORLD
    count = _Sum.apply(torch.tensor(x.numel() / x.shape[1]), group)
    mean = _Sum.apply(x.float().sum(axes), group) / count
    centered = x.float() - mean.view(shape)
    variance = _Sum.apply(centered.square().sum(axes), group) / count
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
