"""Support of PyTorch before 2.6: a safe ``torch.load`` and names that were added later."""

import codecs
import functools
import pickle
from _compat_pickle import IMPORT_MAPPING  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import torch

_allowed: dict[str, Any] = {}


class _Unpickler(pickle.Unpickler):
    """Unpickler that finds only objects that PyTorch and ``add_safe_globals`` allow."""

    def find_class(self, module: str, name: str) -> Any:
        path = f'{IMPORT_MAPPING.get(module, module)}.{name}'
        if path not in _allowed:
            raise pickle.UnpicklingError(f'Weights only load failed. GLOBAL {path} is not allowed.')
        return _allowed[path]


class _Weights(ModuleType):
    """Replacement of the module ``pickle`` in ``torch.load``."""

    Unpickler = _Unpickler

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        return _Unpickler(file, **kwargs).load()


def load_weights_only() -> None:
    """Before PyTorch 2.6 ``torch.load`` executes pickles by default. It now does so with ``weights_only=False`` only.

    ``weights_only=True`` of these versions cannot load MMEngine's log.
    """
    if torch.__version__ >= '2.6':
        return
    from torch._weights_only_unpickler import _get_allowed_globals

    stock = torch.load
    _allowed.update(_get_allowed_globals())
    # PyTorch 2.6 also allows sets and bytes as pickle writes them
    _allowed.update({'builtins.set': set, 'builtins.bytearray': bytearray, '_codecs.encode': codecs.encode})

    @functools.wraps(stock)
    def load(file: Any, map_location: Any = None, pickle_module: Any = None, *args: Any, **kwargs: Any) -> Any:
        weights_only = kwargs.pop('weights_only', None)
        if weights_only is None:  # the default
            weights_only = pickle_module is None
        if weights_only:
            pickle_module = _Weights('weights')
        content = stock(file, map_location, pickle_module, *args, weights_only=False, **kwargs)
        if weights_only and isinstance(content, torch.jit.ScriptModule):
            raise RuntimeError('Weights only load failed. This is a TorchScript archive.')
        return content

    def add_safe_globals(found: Iterable) -> None:
        for item in found:
            value, path = item if isinstance(item, tuple) else (item, f'{item.__module__}.{item.__qualname__}')
            _allowed[path] = value

    add_safe_globals(getattr(torch.serialization, 'get_safe_globals', list)())  # objects that a user has allowed before
    torch.load = load  # type: ignore[assignment]
    torch.serialization.add_safe_globals = add_safe_globals  # type: ignore[assignment]


def bring_forward_names() -> None:
    """Older PyTorch lacks names and arguments of versions 2.3 to 2.6 that this package uses. They are added."""
    _supply(torch.compiler, 'is_compiling', lambda: False)
    _supply(torch.compiler, 'is_dynamo_compiling', lambda: False)
    _supply(torch.amp, 'is_autocast_available', lambda device: device in ('cpu', 'cuda'))
    _supply(torch.nn.utils, 'get_total_norm', _get_total_norm)
    _supply(torch.nn.Module, 'register_load_state_dict_pre_hook', _register_load_state_dict_pre_hook)
    try:
        torch.is_autocast_enabled('cpu')
    except TypeError:  # the device argument does not exist
        of_cuda, of_cpu = torch.is_autocast_enabled, torch.is_autocast_cpu_enabled
        torch.is_autocast_enabled = lambda device='cuda': of_cpu() if device == 'cpu' else of_cuda()  # type: ignore


def _supply(owner: Any, name: str, value: Callable) -> None:
    if not hasattr(owner, name):
        setattr(owner, name, value)


def _get_total_norm(tensors: list[torch.Tensor], norm_type: float = 2.0) -> torch.Tensor:
    return torch.stack([tensor.norm(norm_type) for tensor in tensors] or [torch.zeros(())]).norm(norm_type)


def _register_load_state_dict_pre_hook(self: torch.nn.Module, hook: Callable) -> Any:
    return self._register_load_state_dict_pre_hook(hook, with_module=True)
