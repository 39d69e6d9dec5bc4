"""Find objects by name without importing anything."""

import importlib
import importlib.util
import inspect
import sys
from typing import Any


def imports(module: str) -> bool:
    """Return whether importing the module of this full name would execute a file."""
    parts = module.split('.')
    for end in range(1, len(parts) + 1):
        name = '.'.join(parts[:end])
        if name in sys.modules:
            continue
        try:
            return importlib.util.find_spec(name) is not None  # executes nothing, as the parent is loaded
        except (ImportError, ValueError):  # the parent is not a package, or the name is empty
            return False
    return False


def find_loaded(name: str) -> Any:
    """Return the object of a full name such as ``mmengine.model.BaseModel``, None if it is not loaded.

    ``__getattr__`` of modules is not called because it may import something.
    """
    path, *parts = name.split('.')
    found: Any = sys.modules.get(path)
    for part in parts:
        path = f'{path}.{part}'
        value = getattr(found, '__dict__', {}).get(part)
        found = sys.modules.get(path) if value is None or inspect.ismodule(value) else value
    return found


def is_model_of_libraries(name: str) -> bool:
    """Return whether ``name`` is a model ``torchvision.x`` or ``timm.x``, as MMAction2's recognizers accept it."""
    library, _, model = name.partition('.')
    if library not in ('torchvision', 'timm'):
        return False
    try:
        if library == 'timm':
            return bool(importlib.import_module('timm').is_model(model))
        function = vars(importlib.import_module('torchvision.models')).get(model)
    except (ImportError, RuntimeError):  # RuntimeError: torchvision was built for another PyTorch
        return False
    return callable(function) and getattr(function, '__module__', '').startswith('torchvision.models.')


def import_no_bare_names() -> None:
    """Registries import a module ``x`` for an unregistered type ``x``. They now import ``package.Class`` only.

    No config needs the former because a module cannot be built.
    """
    from mmengine.registry import registry

    stock = registry.get_object_from_string

    def get_object_from_string(obj_name: str) -> Any:
        return stock(obj_name) if '.' in obj_name else None

    registry.get_object_from_string = get_object_from_string
