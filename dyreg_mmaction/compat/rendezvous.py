"""How processes of PyTorch find each other."""

import functools
import importlib
import os
import warnings
from typing import Any

import torch
import torch.distributed as dist


def separate_restarts() -> None:
    """Processes that torchrun has restarted read addresses of ended ones and hang: each restart has its own keys.

    torchrun keeps one store through all restarts. The keys of the first start are those without this patch.
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
