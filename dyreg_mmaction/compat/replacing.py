"""Replace upstream functions without discarding patches of users."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def wrap_in_mmengine(name: str, wrap: Callable[[Callable], Callable]) -> None:
    """Wrap the function ``name`` in all loaded modules of MMEngine, even where a user has replaced it."""
    wrapped: dict[Callable, Callable] = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.partition('.')[0] != 'mmengine':
            continue
        function = vars(module).get(name) if module is not None else None  # None blocks an import
        if callable(function):
            if function not in wrapped:
                wrapped[function] = wrap(function)
            setattr(module, name, wrapped[function])


def is_original(function: Any, module: ModuleType) -> bool:
    """Return whether ``function`` is defined in the file of ``module``, so that no user has replaced it."""
    code = getattr(function, '__code__', None)
    return code is not None and code.co_filename == module.__file__
