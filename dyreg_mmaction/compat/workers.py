"""Patch DataLoader workers started by spawn or forkserver, which run in new interpreters."""

import warnings
from collections.abc import Callable
from typing import Any

import torch

_stock: Callable | None = None


def run_worker(*args: Any, **kwargs: Any) -> None:
    """Run PyTorch's worker loop. A new process imports this package, and so the repairs, to find this function."""
    assert _stock is not None, 'import dyreg_mmaction first'
    _stock(*args, **kwargs)


def patch_in_workers() -> None:
    """Workers started by spawn or forkserver import MMAction2 unpatched. They now import this package first.

    These start methods are the default on Python 3.14, macOS and Windows.
    """
    global _stock
    worker: Any
    try:
        from torch.utils.data._utils import worker
    except ImportError:
        worker = None
    if not hasattr(worker, '_worker_loop'):
        warnings.warn(
            f'torch {torch.__version__} has no _worker_loop: data loading workers started by spawn or forkserver run '
            "without the patches of dyreg_mmaction; set env_cfg.mp_cfg.mp_start_method='fork'",
            stacklevel=2,
        )
    elif worker._worker_loop is not run_worker:
        _stock, worker._worker_loop = worker._worker_loop, run_worker
