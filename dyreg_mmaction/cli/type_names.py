"""Names of the classes that a config holds, however it writes them."""

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
    """Replace each ``type`` that is a registered class, or its full name, by the name that MMAction2's configs use.

    Pure Python configs import their classes, and dumps of such configs have full names; all else that reads a config
    then only meets ``type='Recognizer2D'``. What is not registered, or cannot be imported, stays as it is. So does a
    config of another ``default_scope`` than MMAction2's, where such a name could be another class.
    """
    if cfg.get('default_scope') in (None, SCOPE) and _name_all(cfg._cfg_dict):
        cfg.default_scope = SCOPE  # pure Python configs need none


def type_name(config: Any) -> Any:
    """The registered name of the ``type`` of a config, or of an object's class; without one, the ``type`` itself."""
    kind = dict.get(config, 'type') if isinstance(config, dict) else type(config)  # a lazy one is not built by dict.get
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
    """Whether a config of what ``known`` registers, or an object, is of the class ``wanted`` or one derived from it."""
    kind = dict.get(config, 'type') if isinstance(config, dict) else type(config)
    is_bare = isinstance(kind, str) and '.' not in kind
    found = known.parent.get(kind) if is_bare else _find(kind)
    return isinstance(found, type) and issubclass(found, wanted)


def _find(kind: Any) -> Any:
    """The class that a lazy object or a dotted name stands for; an object nobody knows, if there is none."""
    with suppress(Exception):  # MMEngine says it, with the place in the file, when it builds what is of this type
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
    """Our registries, each followed by its parents."""
    for known in vars(registry).values():
        if isinstance(known, Registry):
            chain = [known]
            while chain[-1].parent is not None:
                chain.append(chain[-1].parent)
            yield chain


def _name_all(value: Any) -> bool:
    """Name the types in a nested config; whether there was one to be named."""
    changed = False
    if isinstance(value, dict):
        kind = dict.get(value, 'type')
        if (name := type_name(value)) is not kind:
            value['type'], changed = name, True
        value = list(dict.values(value))
    elif not isinstance(value, list | tuple):
        return False
    return any([changed, *map(_name_all, value)])
