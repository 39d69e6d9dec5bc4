"""Look up classes and arguments in a config."""

import inspect
from typing import Any

from mmengine.registry import Registry


def kind_of(config: dict, registry: Registry) -> type | None:
    """Return the class that a config refers to."""
    kind = config.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def argument(config: dict, name: str, registry: Registry) -> Any:
    """Return the value of an argument in a config, else its default in the class or its nearest base class."""
    if config.get(name) is not None:
        return config[name]
    for base in getattr(kind_of(config, registry), '__mro__', ()):
        if name in (defaults := vars(base).get('DEFAULTS', {})):  # of datasets that share a constructor
            return defaults[name]
        parameter = inspect.signature(base.__init__).parameters.get(name)
        if parameter is not None and parameter.default not in (None, parameter.empty):
            return parameter.default
    return None
