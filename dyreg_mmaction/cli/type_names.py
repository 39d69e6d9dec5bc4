"""Registered names of the types in a config."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

from dyreg_mmaction import registry

SCOPE = 'mmaction'


def name_types(cfg: Config) -> None:
    """Replace types that are registered classes, or their full names, by their registered names.

    Pure Python configs contain classes, and dumps of such configs contain full names. Code that reads the config
    afterwards can rely on names such as ``type='Recognizer2D'``. Types that are not registered or cannot be imported
    are kept. Configs with another ``default_scope`` than MMAction2's are not changed: the names may be ambiguous.
    """
    if cfg.get('default_scope') in (None, SCOPE) and _name_all(cfg._cfg_dict):
        cfg.default_scope = SCOPE  # pure Python configs may lack it


def type_name(config: Any) -> Any:
    """Return the registered name of the ``type`` of a config or of the class of an object, else the type itself."""
    kind = (
        dict.get(config, 'type') if isinstance(config, dict) else type(config)
    )  # dict.get does not build lazy objects
    if kind is None or (isinstance(kind, str) and '.' not in kind):
        return kind
    found = _find(kind)
    for chain in _chains():
        for known in chain:
            name = next((name for name, other in known.module_dict.items() if other is found), None)
            if name is not None:
                in_scope = next((one.module_dict[name] for one in chain[1:] if name in one.module_dict), None)
                return name if in_scope is found else f'{known.scope}.{name}'
    return kind


def is_of(config: Any, wanted: type, known: Registry) -> bool:
    """Return whether a config or object is an instance of ``wanted``.

    Args:
        config (Any): Config of a class in the registry, or an object.
        wanted (type): The class. Derived classes count too.
        known (Registry): Registry of this package in which the type is looked up.
    """
    kind = dict.get(config, 'type') if isinstance(config, dict) else type(config)
    is_bare = isinstance(kind, str) and '.' not in kind
    found = known.parent.get(kind) if is_bare else _find(kind)
    return isinstance(found, type) and issubclass(found, wanted)


def _find(kind: Any) -> Any:
    """Return the class of a lazy object or a dotted name, a new object if it cannot be found."""
    with suppress(Exception):  # MMEngine reports it, with file and line, when it builds the object
        if isinstance(kind, LazyObject | LazyAttr):
            return kind.build()
        if not isinstance(kind, str):
            return kind
        scope, _, name = kind.partition('.')
        for known in (known for chain in _chains() for known in chain if known.scope == scope):
            known.import_from_location()
            if name in known.module_dict:
                return known.module_dict[name]
        if scope in sys.modules and (found := get_object_from_string(kind)) is not None:
            return found
    return object()


def _chains() -> Iterator[list[Registry]]:
    """Yield each registry of this package, followed by its parents."""
    for known in vars(registry).values():
        if isinstance(known, Registry):
            chain = [known]
            while chain[-1].parent is not None:
                chain.append(chain[-1].parent)
            yield chain


def _name_all(value: Any) -> bool:
    """Replace the types in a nested config. Return whether any was replaced."""
    changed = False
    if isinstance(value, dict):
        kind = dict.get(value, 'type')
        if (name := type_name(value)) is not kind:
            value['type'], changed = name, True
        value = list(dict.values(value))
    elif not isinstance(value, list | tuple):
        return False
    return any([changed, *map(_name_all, value)])
