"""Building of sub-modules from a config."""

import difflib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import NoneType
from typing import Any, get_args

import torch
from torch import nn

from dyreg_mmaction.registry import MODELS

SCALARS = {bool: 'True or False', int: 'an integer', float: 'a number', str: 'a string', NoneType: 'None'}


def build(cfg: dict, what: str, **offered: object) -> nn.Module:
    """Build a module, passing those of the offered arguments that its constructor accepts.

    Args:
        cfg (dict): ``type`` and further arguments, which take precedence over offered ones.
        what (str): Name of the module in error messages.
        **offered: Arguments that the caller knows, mostly sizes.

    Returns:
        nn.Module: The module.

    Raises:
        ValueError: If the type is not registered, or the config has an argument that the type does not accept, or a
            value that is not of the argument's type, such as the string 'False'.
    """
    if not isinstance(cfg, dict):
        like = cfg if isinstance(cfg, str) else '...'
        raise ValueError(f'{what} is {cfg!r}, but must be a dict, like dict(type={like!r})')
    kind = cfg.get('type')
    with MODELS.switch_scope_and_registry(cfg.get('_scope_')) as registry:  # the registry that builds it
        cls = registry.get(kind) if isinstance(kind, str) else kind
    if cls is None and isinstance(kind, str):
        cls = MODELS.get(kind)  # if the default scope is that of another library, such as after a Runner of MMEngine
    if cls is None:
        raise ValueError(f'{what} type={kind!r} is not registered; see dyreg_mmaction.models for the available types')
    types, any_name = _arguments(cls)
    names = list(types)
    unknown = [key for key in cfg if key not in ('type', '_scope_', *names)]
    if unknown and not any_name:
        own = [name for name in names if name not in offered]
        close = difflib.get_close_matches(unknown[0], own, n=1, cutoff=0.5)
        hint = f'did you mean {close[0]!r}?' if close else f'it accepts {own or "none"}'
        raise ValueError(f'{what} {cls.__name__} has no argument {unknown[0]!r}; {hint}')
    check_types(cfg, types, f'{what} {cls.__name__}')
    return MODELS.build({**{name: value for name, value in offered.items() if name in names}, **cfg, 'type': cls})


def check_types(given: Mapping[str, object], types: Mapping[str, Any], what: str) -> None:
    """Check values of a config against annotations; those of other types than scalars are ignored.

    Raises:
        ValueError: If a value is of another type, such as the string 'False' for a bool.
    """
    for key, value in given.items():
        expected = get_args(types.get(key)) or (types.get(key),)
        if not all(isinstance(kind, type) and kind in SCALARS for kind in expected):
            continue
        if not any(_is_a(value, kind) for kind in expected):
            choices = ' or '.join(SCALARS[kind] for kind in expected)
            raise ValueError(f'{what} has {key}={value!r}, but it must be {choices}')


def _is_a(value: object, kind: type) -> bool:
    """Return whether a value is of a scalar type: integers are numbers, but booleans are neither."""
    if isinstance(value, bool) and kind is not bool:
        return False
    return isinstance(value, int | float if kind is float else kind)


@contextmanager
def apart_from_seed() -> Iterator[None]:
    """Draw random numbers that depend on the seed without changing the random state.

    With the same seed, all weights except those of plugins are then those of the plain model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**31, (), device='cpu')))
        yield


def _arguments(cls: type) -> tuple[dict[str, Any], bool]:
    """Return the arguments accepted along the MRO with their annotations, and whether any keyword is accepted."""
    types: dict[str, Any] = {}
    for ancestor in inspect.getmro(cls):
        if '__init__' in vars(ancestor):
            parameters = list(inspect.signature(vars(ancestor)['__init__']).parameters.values())[1:]
            for p in parameters:
                if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):  # a default of None is often not annotated
                    types.setdefault(p.name, None if p.default is None and not get_args(p.annotation) else p.annotation)
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return types, any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values())
