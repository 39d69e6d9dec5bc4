"""Distributed and mixed-precision training with MMEngine on CPUs."""

import atexit
import functools
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from .replacing import wrap_in_mmengine


def init_dist_on_cpu() -> None:
    """All launchers select a GPU and NCCL, which fails on CPUs. On CPUs the backend is now gloo."""
    import mmengine.dist  # noqa: F401
    from mmengine.device import get_device

    def wrap(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def init_dist(launcher: str, backend: str = 'nccl', init_backend: str = 'torch', **kwargs: Any) -> None:
            if get_device() != 'cpu':
                return stock(launcher, backend, init_backend, **kwargs)
            set_device = torch.cuda.set_device
            torch.cuda.set_device = lambda device: None
            try:
                stock(launcher, 'gloo' if backend == 'nccl' else backend, init_backend, **kwargs)
            finally:
                torch.cuda.set_device = set_device

        return init_dist

    wrap_in_mmengine('init_dist', wrap)


def wrap_models_on_cpu() -> None:
    """DDP raises an error for a model on the CPU because the runner sets ``device_ids``. On CPUs it is now None."""
    from mmengine.model import MMDistributedDataParallel

    stock = MMDistributedDataParallel.__init__

    @functools.wraps(stock)
    def init(self: Any, module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        if all(parameter.device.type == 'cpu' for parameter in module.parameters()):
            kwargs['device_ids'] = None
        stock(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = init


def release_tensors_at_exit() -> None:
    """A process can abort at its end because a thread of gloo releases a tensor. It now waits for these threads.

    A thread releases the tensors of a collective operation after the operation has returned, and needs the GIL. Before
    Python 3.14, the interpreter ends a thread that asks for the GIL at exit, which aborts the process. Leaving the
    group does not help, because models still hold it. See https://github.com/pytorch/pytorch/pull/179291.
    """
    atexit.register(_wait_for_gloo)


def _wait_for_gloo() -> None:
    if dist.is_available() and dist.is_initialized() and dist.get_backend() == 'gloo':
        time.sleep(0.5)  # without the GIL; a release takes less than a millisecond once its thread runs


def mix_precision_on_cpu() -> None:
    """AmpOptimWrapper requires a GPU. On CPUs it now trains in bfloat16 without loss scaling.

    Models with 3D convolutions raise an error: with PyTorch 2.13 some of their gradients in a ResNet3d were 1e37.
    """
    from mmengine.device import get_device
    from mmengine.optim import AmpOptimWrapper
    from mmengine.optim.optimizer import amp_optimizer_wrapper

    stock, stock_context = AmpOptimWrapper.__init__, AmpOptimWrapper.optim_context

    @functools.wraps(stock)
    def init(self: Any, loss_scale: Any = 'dynamic', dtype: Any = None, use_fsdp: bool = False, **kwargs: Any) -> None:
        if get_device() != 'cpu':
            return stock(self, loss_scale, dtype, use_fsdp, **kwargs)
        is_cuda_available = amp_optimizer_wrapper.is_cuda_available
        amp_optimizer_wrapper.is_cuda_available = lambda: True
        try:
            stock(self, dict(enabled=False), 'bfloat16', use_fsdp, **kwargs)
        finally:
            amp_optimizer_wrapper.is_cuda_available = is_cuda_available

    @functools.wraps(stock_context)
    def optim_context(self: Any, model: torch.nn.Module) -> Any:
        if get_device() == 'cpu' and any(isinstance(module, torch.nn.Conv3d) for module in model.modules()):
            raise ValueError(
                'gradients of 3D convolutions in bfloat16 are unreliable on CPUs; train in float32, without --amp'
            )
        return stock_context(self, model)

    AmpOptimWrapper.__init__, AmpOptimWrapper.optim_context = init, optim_context
