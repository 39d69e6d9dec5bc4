"""What a config gives to the classes that it names."""

import inspect
from typing import Any

from mmengine.registry import Registry


def kind_of(config: dict, registry: Registry) -> type | None:
    """The class of a config."""
    kind = config.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def argument(config: dict, name: str, registry: Registry) -> Any:
    """What a class gets for an argument: the value in its config, or the default that is nearest to it."""
    if config.get(name) is not None:
        return config[name]
    for base in getattr(kind_of(config, registry), '__mro__', ()):
        parameter = inspect.signature(base.__init__).parameters.get(name)
        if parameter is not None and parameter.default not in (None, parameter.empty):
            return parameter.default
    return None
