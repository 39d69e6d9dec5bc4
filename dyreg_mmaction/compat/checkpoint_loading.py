"""From the file of a checkpoint to its tensors: one function for all of MMEngine's loaders, which executes nothing."""

import inspect
import sys
from types import ModuleType
from typing import Any

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
