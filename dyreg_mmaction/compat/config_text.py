"""Parse the config in a checkpoint as literals. MMEngine executes it as Python code."""

import ast
import contextlib
import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from .loaded_objects import find_loaded, imports, is_model_of_libraries

MAX_LENGTH = 10**7  # in characters; typical configs have about 10,000
FIX = 'pass the config as a file, or import the package that registers the type if you trust it'

# keys of the values that registries look up
TYPES = ('type', 'runner_type', 'constructor', 'collate_fn')
SCOPES = ('_scope_', 'default_scope')
# Inferencers build pipelines and the objects of BUILT, with classes from the registries in BUILDABLE. Classes of other
# registries may execute files: datasets unpickle annotation lists, and inferencers execute configs.
BUILT = ('model', 'visualizer')
BUILDABLE = {'model', 'transform', 'visualizer', 'vis_backend', 'task util', 'weight initializer', 'function'}
TIMM_FILES = {'checkpoint_path', 'pretrained_cfg', 'pretrained_cfg_overlay'}  # timm unpickles these

_lock = threading.RLock()  # held while Config.fromstring is replaced


def read_config_text(text: Any, is_built: bool = True) -> Any:
    """Parse the output of ``Config.pretty_text`` without executing, importing or opening anything.

    MMEngine's registries import and call any object that a ``type`` or scope names, even ``os.system``. Therefore types
    must be registered classes. ``custom_imports`` is ignored: import packages that you trust yourself.

    Args:
        text (str): Assignments of literals and ``dict(name=...)`` calls.
        is_built (bool): Whether objects are built from the config. If False, types are not checked.

    Returns:
        mmengine.config.Config

    Raises:
        ValueError: If the text contains anything else, or a type is not registered.
    """
    from mmengine.config import Config

    if not isinstance(text, str) or len(text) > MAX_LENGTH or '\0' in text:
        raise ValueError(f'the config in a checkpoint must be a string of at most {MAX_LENGTH} characters; {FIX}')
    try:
        content = {name: value for node in ast.parse(text).body for name, value in [_assignment(node)]}
        content.pop('custom_imports', None)
        if is_built:
            _check_types(content)
        return Config(content)
    except (SyntaxError, RecursionError, MemoryError, TypeError, KeyError) as error:
        raise ValueError(f'the config in a checkpoint cannot be read ({error!r}); {FIX}') from error


def _assignment(node: ast.stmt) -> tuple[str, Any]:
    """Return name and value of ``name = literal``."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
        raise _refused(node)
    value = _Literals().visit(node.value)
    try:
        return node.targets[0].id, ast.literal_eval(value)
    except ValueError:
        raise _refused(node.value) from None


class _Literals(ast.NodeTransformer):
    """Turn ``dict(a=1)`` and ``dict({'a': 1})`` into ``{'a': 1}``, and ``inf`` and ``nan`` into floats."""

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
        f'line {getattr(node, "lineno", "?")} of the config in a checkpoint is not a literal '
        f'({ast.unparse(node)[:60]!r}), and code in a checkpoint is not executed; {FIX}'
    )


def _check_types(content: dict) -> None:
    """Check that every type and scope in a config is registered or can be looked up without an import."""
    names, classes = _registered()

    def is_safe(key: str, name: str, is_built: bool) -> bool:
        if key not in TYPES:  # a scope: MMEngine imports the registries of this module
            return not imports(f'{name}.registry')
        if '.' not in name:
            return name in names or not imports(name)
        registries = classes.get(id(find_loaded(name)), set())
        if is_built and registries and not registries & BUILDABLE:
            return False
        modules = (f'{name.partition(".")[0]}.registry', name)  # modules that MMEngine looks up to find the class
        return is_model_of_libraries(name) or ((name in names or bool(registries)) and not any(map(imports, modules)))

    refused = sorted(name for key, name, is_built in set(_names(content)) if not is_safe(key, name, is_built))
    if refused:
        raise ValueError(
            f'the config in a checkpoint uses {refused[0]!r}, which is not a registered class or not allowed at this '
            f'place, and names in a checkpoint are not imported or called; {FIX}'
        )


def _names(value: Any, is_built: bool = False) -> Iterator[tuple[str, str, bool]]:
    """Yield key and name of all types and scopes in a config, and whether inferencers build them."""
    if isinstance(value, dict):
        for key in (*TYPES, *SCOPES):
            if isinstance(value.get(key), str):
                yield key, value[key], is_built
        if str(value.get('type')).startswith('timm.') and (files := TIMM_FILES & value.keys()):
            raise ValueError(
                f'the config in a checkpoint makes timm load other weights ({min(files)}), and timm may execute '
                f'code in them; {FIX}'
            )
        for key, item in value.items():
            yield from _names(item, is_built or key in BUILT or str(key).endswith('pipeline'))
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _names(item, is_built)


def _registered() -> tuple[set[str], dict[int, set[str]]]:
    """Return the names of all registered classes, with and without scope, and their registries by ``id(class)``."""
    import mmengine.registry

    names: set[str] = set()
    classes: dict[int, set[str]] = defaultdict(set)
    registries = [value for value in vars(mmengine.registry).values() if isinstance(value, mmengine.registry.Registry)]
    for registry in registries:
        registries.extend(registry.children.values())
        with contextlib.suppress(ImportError):  # some locations of mmaction do not exist
            registry.import_from_location()
        names.update(registry.module_dict, (f'{registry.scope}.{name}' for name in registry.module_dict))
        for module in registry.module_dict.values():
            classes[id(module)].add(registry.name)
    return names, classes


def read_configs_of_checkpoints() -> None:
    """Resuming and inferencers execute the config in a checkpoint as Python. It is now parsed as literals."""
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
