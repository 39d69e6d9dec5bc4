"""All checkpoint loaders of MMEngine load without executing pickles."""

import functools
import inspect
import json
import os.path as osp
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch

from .replacing import wrap_in_mmengine


def load_weights(file: Any, map_location: Any = None) -> Any:
    """Load tensors and plain data without executing pickled code.

    Args:
        file (str | PathLike | IO): Path or stream.
        map_location (Any): As in :func:`torch.load`.

    Returns:
        Any: The content of the file.

    Raises:
        pickle.UnpicklingError: If the file contains other objects.
    """
    return torch.load(file, map_location=map_location, weights_only=True)


class _Torch(ModuleType):
    """The torch module with a safe ``load``, for the module of MMEngine that loads checkpoints."""

    load = staticmethod(load_weights)

    def __init__(self, torch: Any) -> None:
        super().__init__('torch')
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)


def load_weights_everywhere() -> None:
    """Pickles from URLs (and files, if ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`` is set) are executed. Now none is."""
    from mmengine.runner import checkpoint

    def wrap(stock: Callable) -> Callable:
        parameters = inspect.signature(stock).parameters
        # PyTorch 2.1 lacks the argument; older_torch.py makes its torch.load safe
        is_known = 'weights_only' in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        arguments = dict(weights_only=True) if is_known else {}

        @functools.wraps(stock)
        def load_url(url: str, *args: Any, **kwargs: Any) -> Any:
            return stock(url, *args, **arguments | kwargs)

        return load_url

    wrap_in_mmengine('load_url', wrap)
    checkpoint.torch = _Torch(checkpoint.torch)  # type: ignore[attr-defined]


def load_torchvision_weights() -> None:
    """``torchvision://resnet50`` needs torchvision for the URL. Without it, the list in MMEngine is used.

    Without torchvision means: it is not installed, or it was built for another PyTorch and cannot be imported.
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
            raise ValueError(
                f'{filename!r} is unknown to MMEngine; install torchvision or choose from {", ".join(addresses)}'
            )
        return checkpoint.load_from_http(addresses[name], map_location)

    for prefix, loader in list(checkpoint.CheckpointLoader._schemes.items()):
        if loader is stock:  # keep loaders that a user has registered
            checkpoint.CheckpointLoader.register_scheme(prefix, load_from_torchvision, force=True)


def trust_logs_in_checkpoints() -> None:
    """PyTorch 2.6 cannot load MMEngine's checkpoints because they contain the log. The log is now allowed.

    ``weights_only`` stays enabled. The patch allows HistoryBuffer, NumPy arrays and, through a restricted ``getattr``,
    four methods of HistoryBuffer.
    """
    from mmengine.logging import HistoryBuffer

    def getattr_of_history_buffer(obj: Any, name: str) -> Callable:
        if obj is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
            return getattr(obj, name)
        raise RuntimeError(
            f'the checkpoint refers to the attribute {name!r} of {obj!r}, which is not safe to load; use a checkpoint '
            'that contains only tensors and plain data'
        )

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
