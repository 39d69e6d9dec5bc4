"""From the file of a checkpoint to its tensors: one function for all of MMEngine's loaders, which executes nothing."""

import functools
import inspect
import json
import os.path as osp
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch


def load_weights(file: Any, map_location: Any = None) -> Any:
    """Load tensors and plain data from a file, a path or a stream; nothing that the file names is executed.

    Raises:
        pickle.UnpicklingError: If there is anything else in it.
    """
    return torch.load(file, map_location=map_location, weights_only=True)


class _Torch(ModuleType):
    """PyTorch as a module of MMEngine that loads checkpoints sees it."""

    load = staticmethod(load_weights)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def load_weights_everywhere() -> None:
    """``mmengine/runner/checkpoint.py:371``: a pickle from a URL is executed, as ``torch.hub`` asks for it by default.

    The loaders of files ask for nothing, so that ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`` makes them execute pickles too.
    """
    from mmengine.runner import checkpoint
    from mmengine.utils.dl_utils import hub

    stock = hub.load_url
    # PyTorch 2.1 has no such argument, and calls torch.load, which compat/torch.py makes safe there
    arguments = dict(weights_only=True) if 'weights_only' in inspect.signature(stock).parameters else {}

    def load_url(url: str, *args: Any, **kwargs: Any) -> Any:
        return stock(url, *args, **arguments | kwargs)

    for name, module in list(sys.modules.items()):
        if name.startswith('mmengine') and vars(module).get('load_url') is stock:
            module.load_url = load_url  # type: ignore[attr-defined]
    for module in (checkpoint, hub):
        module.torch = _Torch('torch')  # type: ignore[attr-defined]


def load_torchvision_weights() -> None:
    """``mmengine/runner/checkpoint.py:143``: ``torchvision://resnet50`` needs torchvision for a list of addresses.

    mmengine has that list too. The stock loader stays in charge wherever torchvision can be imported (one built for
    another torch cannot).
    """
    import mmengine
    from mmengine.runner import checkpoint

    stock = checkpoint.load_from_torchvision

    @functools.wraps(stock)
    def load_from_torchvision(filename: str, map_location: Any = None) -> dict:
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError):  # RuntimeError: operator torchvision::nms does not exist
            pass
        else:
            return stock(filename, map_location)
        with open(osp.join(osp.dirname(mmengine.__file__), 'hub', 'torchvision_0.12.json')) as file:
            addresses = json.load(file)
        name = filename.partition('://')[2]
        if name not in addresses:
            raise ValueError(f'{filename!r} is none of the weights known without torchvision: {", ".join(addresses)}.')
        return checkpoint.load_from_http(addresses[name], map_location)

    for prefix, loader in list(checkpoint.CheckpointLoader._schemes.items()):
        if loader is stock:  # and not one that somebody has registered
            checkpoint.CheckpointLoader.register_scheme(prefix, load_from_torchvision, force=True)


def trust_logs_in_checkpoints() -> None:
    """``mmengine/runner/checkpoint.py:347``: torch >= 2.6 refuses mmengine's checkpoints for the log in them.

    ``weights_only`` stays on: only HistoryBuffer and numpy's arrays become loadable, and ``getattr``, by which the
    methods of HistoryBuffer are pickled, reaches nothing but them.
    """
    from mmengine.logging import HistoryBuffer

    def getattr_of_history_buffer(obj: Any, name: str) -> Callable:
        if obj is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
            return getattr(obj, name)
        raise RuntimeError(f'The checkpoint asks for the attribute {name!r} of {obj!r}, which is not safe to load.')

    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64().__reduce__()[0]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            np.ndarray,
            np.dtype,
            *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
            # written by numpy 1 (core) and numpy 2 (_core)
            *(
                (function, f'numpy.{core}.multiarray.{function.__name__}')
                for function in (reconstruct, scalar)
                for core in ('core', '_core')
            ),
            (getattr_of_history_buffer, 'builtins.getattr'),
        ]
    )
