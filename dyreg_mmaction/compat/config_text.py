"""The config in a checkpoint, read as data: MMEngine runs it as a Python program."""

import ast
import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any

MAX_LENGTH = 10**7  # configs have some ten thousand characters
REMEDY = 'give the config as a file of your own, or import the package that registers the type, if you trust it'


def read_config_text(text: Any) -> Any:
    """Read what ``Config.pretty_text`` writes; nothing of it is executed, imported or opened.

    MMEngine's registries import and call whatever a ``type`` or scope names, ``os.system`` too; so those must be names
    of registered classes. ``custom_imports`` is left out: who trusts a package imports it.

    Args:
        text (str): Assignments of literals and of ``dict(name=...)``.

    Returns:
        mmengine.config.Config

    Raises:
        ValueError: If there is anything else in it.
    """
    from mmengine.config import Config

    if not isinstance(text, str) or len(text) > MAX_LENGTH or '\0' in text:
        raise ValueError(f'the config in a checkpoint must be a text of at most {MAX_LENGTH} characters; {REMEDY}')
    try:
        content = {name: value for node in ast.parse(text).body for name, value in [_assignment(node)]}
        content.pop('custom_imports', None)
        _check_types(content)
        return Config(content)
    except (SyntaxError, RecursionError, MemoryError, TypeError, KeyError) as error:
        raise ValueError(f'the config in a checkpoint cannot be read ({error!r}); {REMEDY}') from error


def _assignment(node: ast.stmt) -> tuple[str, Any]:
    """Name and value of ``name = literal``."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
        raise _refused(node)
    value = _Literals().visit(node.value)
    try:
        return node.targets[0].id, ast.literal_eval(value)
    except ValueError:
        raise _refused(node.value) from None


class _Literals(ast.NodeTransformer):
    """``dict(a=1)`` and ``dict({'a': 1})`` become ``{'a': 1}``, inf and nan numbers; all else is left to be refused."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        names = [keyword.arg for keyword in node.keywords]
        if not (isinstance(node.func, ast.Name) and node.func.id == 'dict') or None in names:
            return node
        if len(node.args) == 1 and isinstance(node.args[0], ast.Dict) and not names:
            return node.args[0]
        if node.args:
            return node
        return ast.Dict([ast.Constant(name) for name in names], [keyword.value for keyword in node.keywords])

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(node.id)) if node.id in ('inf', 'nan') else node


def _refused(node: ast.AST) -> ValueError:
    return ValueError(
        f'the config in a checkpoint has more than literals in line {getattr(node, "lineno", "?")} '
        f'({ast.unparse(node)[:60]!r}), and no Python of a checkpoint is executed; {REMEDY}'
    )


def _check_types(content: dict) -> None:
    """See that what registries look up in a config is registered, or at least nothing that can be imported."""
    from mmengine.config.utils import MODULE2PACKAGE

    names = set(_names(content)) - {*MODULE2PACKAGE, 'mmengine'}  # the packages of OpenMMLab, which are scopes
    imported = {name for name in names if '.' in name or (name.isidentifier() and importlib.util.find_spec(name))}
    if imported and (unknown := imported - _registered()):
        raise ValueError(
            f'the config in a checkpoint asks for {min(unknown)!r}, which is no registered class, and nothing that a '
            f'checkpoint names is imported or called; {REMEDY}'
        )


def _names(value: Any) -> Iterator[str]:
    """What MMEngine's registries look up: types and scopes."""
    if isinstance(value, dict):
        yield from (value[key] for key in ('type', '_scope_', 'default_scope') if isinstance(value.get(key), str))
        value = value.values()
    elif not isinstance(value, list | tuple | set):
        return
    for part in value:
        yield from _names(part)


def _registered() -> set[str]:
    """Registered classes by every name that a registry knows them by."""
    import mmengine.registry

    names: set[str] = set()
    registries = [value for value in vars(mmengine.registry).values() if isinstance(value, mmengine.registry.Registry)]
    for registry in registries:
        registries.extend(registry.children.values())
        with contextlib.suppress(ImportError):  # mmaction has no folder for some
            registry.import_from_location()
        for name, cls in registry.module_dict.items():
            full_name = f'{getattr(cls, "__module__", "")}.{getattr(cls, "__qualname__", name)}'
            names.update((name, f'{registry.scope}.{name}', full_name))
    return names
