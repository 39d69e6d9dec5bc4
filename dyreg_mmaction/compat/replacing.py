"""Replacing upstream functions without losing what a user has replaced."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def wrap_in_mmengine(name: str, wrap: Callable[[Callable], Callable]) -> None:
    """Wrap a function in all modules of MMEngine that have imported it, also where a user has replaced it."""
    wrapped: dict[Callable, Callable] = {}
    for module_name, module in list(sys.modules.items()):
        function = vars(module).get(name)
        if module_name.partition('.')[0] == 'mmengine' and callable(function):
            if function not in wrapped:
                wrapped[function] = wrap(function)
            setattr(module, name, wrapped[function])


def is_original(function: Any, module: ModuleType) -> bool:
    """Whether the code of a function is in the file of ``module``, so that nobody has replaced the function."""
    code = getattr(function, '__code__', None)
    return code is not None and code.co_filename == module.__file__
