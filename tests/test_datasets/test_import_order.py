"""Folders of datasets/ import only from those before them."""

import ast
from pathlib import Path

import dyreg_mmaction.datasets

ROOT = Path(dyreg_mmaction.datasets.__file__).parent
ORDER = ['video', 'folder', 'something', 'boxes', 'synthetic']
SHARED = {'layers', 'parallel'}  # files that any folder may import


def imported(file: Path) -> set[str]:
    """Return the folders and files of datasets/ that a file imports from."""
    package, found = ('dyreg_mmaction', 'datasets', *file.relative_to(ROOT).parent.parts), set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            path = (*base, *(node.module or '').split('.'))
            paths = [path] if len(path) > 2 and path[2] else [(*path[:2], alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            paths = [tuple(alias.name.split('.')) for alias in node.names]
        else:
            continue
        found |= {path[2] for path in paths if path[:2] == ('dyreg_mmaction', 'datasets') and len(path) > 2}
    return found


def test_folders_import_only_from_folders_before_them():
    assert {path.name for path in ROOT.iterdir() if (path / '__init__.py').exists()} == set(ORDER)
    for place, folder in enumerate(ORDER):
        for file in (ROOT / folder).rglob('*.py'):
            wrong = imported(file) - {*ORDER[: place + 1], *SHARED}
            assert not wrong, f'{file} imports from {wrong}'
    assert 'something' in imported(ROOT / 'boxes/with_boxes.py')  # relative imports are found


def test_datasets_import_only_from_lower_packages():
    others = {path.parent.name for path in ROOT.parent.glob('*/__init__.py')} - {'datasets'}
    assert 'models' in others
    for file in ROOT.rglob('*.py'):
        nodes = ast.walk(ast.parse(file.read_text()))
        modules = [node.module.split('.') for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
        wrong = {module[1] for module in modules if module[0] == 'dyreg_mmaction' and len(module) > 1} & others
        assert not wrong, f'{file} imports from {wrong}'
