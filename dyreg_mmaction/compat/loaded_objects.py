"""Finding objects by name without importing anything."""

import importlib
import importlib.util
import inspect
import sys
from typing import Any


def imports(module: str) -> bool:
    """Whether importing a module by its full name would execute a file."""
    parts = module.split('.')
    for end in range(1, len(parts) + 1):
        name = '.'.join(parts[:end])
        if name in sys.modules:
            continue
        try:
            return importlib.util.find_spec(name) is not None  # its parent is loaded, so nothing is executed
        except (ImportError, ValueError):  # a parent that is no package, an empty name
            return False
    return False


def find_loaded(name: str) -> Any:
    """The object of a full name such as ``mmengine.model.BaseModel``, None where it is not loaded.

    What a module computes in ``__getattr__`` is left out, as it may be imported then.
    """
    path, *parts = name.split('.')
    found: Any = sys.modules.get(path)
    for part in parts:
        path = f'{path}.{part}'
        value = getattr(found, '__dict__', {}).get(part)
        found = sys.modules.get(path) if value is None or inspect.ismodule(value) else value
    return found


def is_model_of_libraries(name: str) -> bool:
    """Whether it is a ``torchvision.x`` or ``timm.x``, for which MMAction2's recognizers import these libraries."""
    library, _, model = name.partition('.')
    if library not in ('torchvision', 'timm'):
        return False
    try:
        if library == 'timm':
            return bool(importlib.import_module('timm').is_model(model))
        function = vars(importlib.import_module('torchvision.models')).get(model)
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision built for another torch
        return False
    return callable(function) and getattr(function, '__module__', '').startswith('torchvision.models.')


def import_no_bare_names() -> None:
    """For a type ``x`` that is not registered, registries import the module ``x``: now only ``package.Class``.

    A module cannot be built, so no config needs this.
    """
    from mmengine.registry import registry

    stock = registry.get_object_from_string

    def get_object_from_string(obj_name: str) -> Any:
        return stock(obj_name) if '.' in obj_name else None

    registry.get_object_from_string = get_object_from_string
