"""Rendezvous of PyTorch processes."""

import functools
import importlib
import os
import warnings
from typing import Any

import torch
import torch.distributed as dist


def separate_restarts() -> None:
    """Processes restarted by torchrun hang because they read stale addresses. Each restart now has its own keys.

    torchrun keeps one store for all restarts. The keys of the first start do not change.
    """
    if not dist.is_available():
        return
    rendezvous: Any = importlib.import_module('torch.distributed.rendezvous')  # a function shadows the module
    stock = getattr(rendezvous, '_create_c10d_store', None)
    if stock is None:
        if _restarts():
            warnings.warn(
                f'torch {torch.__version__} has no _create_c10d_store: processes restarted by torchrun may hang in the '
                'rendezvous; if they do, start torchrun again',
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
