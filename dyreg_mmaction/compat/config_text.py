"""Reading the config in a checkpoint as literals, which MMEngine executes as Python."""

import ast
import contextlib
import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from .loaded_objects import find_loaded, imports, is_model_of_libraries

MAX_LENGTH = 10**7  # configs have some ten thousand characters
FIX = 'give the config as a file of your own, or import the package that registers the type, if you trust it'

# keys of what registries look up
TYPES = ('type', 'runner_type', 'constructor', 'collate_fn')
SCOPES = ('_scope_', 'default_scope')
# What inferencers build, beside pipelines, and the registries that it may come from. Others have classes that execute
# files: datasets unpickle their lists, inferencers run configs.
BUILT = ('model', 'visualizer')
PARTS = {'model', 'transform', 'visualizer', 'vis_backend', 'task util', 'weight initializer', 'function'}
TIMM_FILES = {'checkpoint_path', 'pretrained_cfg', 'pretrained_cfg_overlay'}  # timm unpickles these

_lock = threading.RLock()  # while Config.fromstring is replaced


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
        raise ValueError(f'the config in a checkpoint must be a text of at most {MAX_LENGTH} characters; {FIX}')
    try:
        content = {name: value for node in ast.parse(text).body for name, value in [_assignment(node)]}
        content.pop('custom_imports', None)
        if is_built:
            _check_types(content)
        return Config(content)
    except (SyntaxError, RecursionError, MemoryError, TypeError, KeyError) as error:
        raise ValueError(f'the config in a checkpoint cannot be read ({error!r}); {FIX}') from error


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
        f'({ast.unparse(node)[:60]!r}), and no Python of a checkpoint is executed; {FIX}'
    )


def _check_types(content: dict) -> None:
    """See that whatever MMEngine's registries look up in a config is registered, or at least imports nothing."""
    names, classes = _registered()

    def is_safe(key: str, name: str, is_built: bool) -> bool:
        if key not in TYPES:  # a scope, whose registries are in this module
            return not imports(f'{name}.registry')
        if '.' not in name:
            return name in names or not imports(name)
        registries = classes.get(id(find_loaded(name)), set())
        if is_built and registries and not registries & PARTS:
            return False
        modules = (f'{name.partition(".")[0]}.registry', name)  # what MMEngine looks for on the way to the class
        return is_model_of_libraries(name) or ((name in names or bool(registries)) and not any(map(imports, modules)))

    refused = sorted(name for key, name, is_built in set(_names(content)) if not is_safe(key, name, is_built))
    if refused:
        raise ValueError(
            f'the config in a checkpoint asks for {refused[0]!r}, which is no registered class, or none that belongs '
            f'there, and nothing that a checkpoint names is imported or called; {FIX}'
        )


def _names(value: Any, is_built: bool = False) -> Iterator[tuple[str, str, bool]]:
    """What MMEngine's registries look up, types and scopes, with its key, and whether inferencers build from it."""
    if isinstance(value, dict):
        for key in (*TYPES, *SCOPES):
            if isinstance(value.get(key), str):
                yield key, value[key], is_built
        if str(value.get('type')).startswith('timm.') and (files := TIMM_FILES & value.keys()):
            raise ValueError(
                f'the config in a checkpoint asks timm for other weights, by {min(files)}, and timm may execute what '
                f'is in them; {FIX}'
            )
        for key, part in value.items():
            yield from _names(part, is_built or key in BUILT or str(key).endswith('pipeline'))
    elif isinstance(value, list | tuple | set):
        for part in value:
            yield from _names(part, is_built)


def _registered() -> tuple[set[str], dict[int, set[str]]]:
    """Registered classes: names, with and without the scope, and the names of their registries by identity."""
    import mmengine.registry

    names: set[str] = set()
    classes: dict[int, set[str]] = defaultdict(set)
    registries = [value for value in vars(mmengine.registry).values() if isinstance(value, mmengine.registry.Registry)]
    for registry in registries:
        registries.extend(registry.children.values())
        with contextlib.suppress(ImportError):  # mmaction has no folder for some
            registry.import_from_location()
        names.update(registry.module_dict, (f'{registry.scope}.{name}' for name in registry.module_dict))
        for module in registry.module_dict.values():
            classes[id(module)].add(registry.name)
    return names, classes


def read_configs_of_checkpoints() -> None:
    """Resuming and inferencers execute the config in a checkpoint as Python: now it is read as literals."""
    from mmengine.config import Config
    from mmengine.infer import BaseInferencer
    from mmengine.runner import FlexibleRunner, Runner

    def reading(stock: Callable, is_built: bool) -> Callable:
        @functools.wraps(stock)
        def method(*args: Any, **kwargs: Any) -> Any:
            with _lock:
                previous = vars(Config)['fromstring']

                def fromstring(cfg_str: str, file_format: str) -> Any:
                    if file_format == '.py':
                        return read_config_text(cfg_str, is_built)
                    return previous.__func__(cfg_str, file_format)

                Config.fromstring = staticmethod(fromstring)
                try:
                    return stock(*args, **kwargs)
                finally:
                    Config.fromstring = previous

        return method

    for runner in (Runner, FlexibleRunner):
        runner.resume = reading(runner.resume, is_built=False)
    BaseInferencer._init_model = reading(BaseInferencer._init_model, is_built=True)
