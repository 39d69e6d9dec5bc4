"""The config in a checkpoint, read as data: MMEngine runs it as a Python program."""

import ast
import contextlib
from collections.abc import Iterator
from typing import Any

from .loaded_objects import find_loaded, imports, is_model_of_libraries

MAX_LENGTH = 10**7  # configs have some ten thousand characters
REMEDY = 'give the config as a file of your own, or import the package that registers the type, if you trust it'


# keys of what registries look up
TYPES = ('type', 'runner_type', 'constructor')
SCOPES = ('_scope_', 'default_scope')


def read_config_text(text: Any, is_built: bool = True) -> Any:
    """Read what ``Config.pretty_text`` writes; nothing of it is executed, imported or opened.

    MMEngine's registries import and call whatever a ``type`` or scope names, ``os.system`` too; so those must be names
    of registered classes. ``custom_imports`` is left out: who trusts a package imports it.

    Args:
        text (str): Assignments of literals and of ``dict(name=...)``.
        is_built (bool): Whether objects are built from it; otherwise types may be any.

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
        if is_built:
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
    """See that whatever MMEngine's registries look up in a config is registered, or at least imports nothing."""
    names, classes = _registered()

    def is_safe(key: str, name: str) -> bool:
        if key not in TYPES:  # a scope, whose registries are in this module
            return not imports(f'{name}.registry')
        if '.' not in name:
            return name in names or not imports(name)
        is_registered = name in names or id(find_loaded(name)) in classes
        modules = (f'{name.partition(".")[0]}.registry', name)  # what MMEngine looks for on the way to the class
        return is_model_of_libraries(name) or (is_registered and not any(map(imports, modules)))

    refused = sorted(name for key, name in set(_names(content)) if not is_safe(key, name))
    if refused:
        raise ValueError(
            f'the config in a checkpoint asks for {refused[0]!r}, which is no registered class, and nothing that a '
            f'checkpoint names is imported or called; {REMEDY}'
        )


def _names(value: Any) -> Iterator[tuple[str, str]]:
    """What MMEngine's registries look up, types and scopes, with its key."""
    if isinstance(value, dict):
        yield from ((key, value[key]) for key in (*TYPES, *SCOPES) if isinstance(value.get(key), str))
        value = value.values()
    elif not isinstance(value, list | tuple | set):
        return
    for part in value:
        yield from _names(part)


def _registered() -> tuple[set[str], set[int]]:
    """Registered classes: names, with and without the scope, and identities."""
    import mmengine.registry

    names: set[str] = set()
    classes: set[int] = set()
    registries = [value for value in vars(mmengine.registry).values() if isinstance(value, mmengine.registry.Registry)]
    for registry in registries:
        registries.extend(registry.children.values())
        with contextlib.suppress(ImportError):  # mmaction has no folder for some
            registry.import_from_location()
        names.update(registry.module_dict, (f'{registry.scope}.{name}' for name in registry.module_dict))
        classes.update(map(id, registry.module_dict.values()))
    return names, classes
