"""Set variables of config files while MMEngine parses the files."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

_values: ContextVar[Mapping[str, Any]] = ContextVar('values of config variables', default=MappingProxyType({}))


@contextmanager
def set_variables(values: Mapping[str, Any]) -> Iterator[None]:
    """Override variables in all config files, and their bases, that are read inside the context.

    Args:
        values (Mapping): New values by variable name: numbers, strings, bools, None, and lists, tuples and dicts of
            these. None does not override variables that are dicts or lists.

    Yields:
        None
    """
    token = _values.set(values)
    try:
        yield
    finally:
        _values.reset(token)


def parse_variables() -> None:
    """``--cfg-options`` change a variable of a config, but not the values computed from it. Both now change."""
    from mmengine.config import config

    for name in ('RemoveAssignFromAST', 'ImportTransformer'):
        parser = getattr(config, name)
        if not issubclass(parser, _SetVariables):
            setattr(config, name, type(name, (_SetVariables, parser), {}))


class _SetVariables(ast.NodeTransformer):
    """Mixin of MMEngine's parsers that overrides module-level assignments."""

    def visit_Assign(self, node: Any) -> Any:
        names = [name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]
        values = {name: value for name, value in _values.get().items() if name in names}
        if _is_section(node.value):  # None disables a section, but code that copies or updates it still needs the dict
            values = {name: value for name, value in values.items() if value is not None}
        assignments = [ast.Assign([ast.Name(name, ast.Store())], _literal(value)) for name, value in values.items()]
        kept = (
            [] if names and set(names) == values.keys() else [self._visit(node)]
        )  # an overridden value is not computed
        return [ast.fix_missing_locations(ast.copy_location(new, node)) for new in (*kept, *assignments) if new]

    visit_AnnAssign = visit_AugAssign = visit_Assign

    def visit_FunctionDef(self, node: Any) -> Any:
        with set_variables({}):
            return self._visit(node)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def _visit(self, node: ast.AST) -> Any:
        """Call the visitor of MMEngine's parser."""
        return getattr(super(), f'visit_{type(node).__name__}', self.generic_visit)(node)


def _is_section(node: ast.expr | None) -> bool:
    is_dict = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict'
    return is_dict or isinstance(node, ast.Dict | ast.DictComp | ast.List | ast.ListComp)


def _literal(value: Any) -> ast.expr:
    if isinstance(value, list | tuple):
        kind = ast.List if isinstance(value, list) else ast.Tuple
        return kind([_literal(item) for item in value], ast.Load())
    if isinstance(value, dict):
        return ast.Dict([ast.Constant(key) for key in value], [_literal(item) for item in value.values()])
    return ast.Constant(value)  # also infinity and NaN, which have no literal in source code
