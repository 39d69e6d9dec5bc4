"""The lists of repairs and policies are complete, correct and shown in the docs."""

import ast
import inspect
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from dyreg_mmaction import compat
from dyreg_mmaction.compat.__main__ import table

ROOT = Path(__file__).parents[2]
PATCHES = compat.REPAIRS + compat.POLICIES
VERSIONS = dict(mmaction=('mmaction2', '1.2.0'), mmengine=('mmengine', '0.10.7'), torch=('torch', '2.13.0'))
LISTS = ('__init__', '__main__', 'patch', 'policies', 'repairs')
# public functions in compat/ that are not patches
HELPERS = {
    'activation_checkpointing': {'keep_state'},
    'checkpoint_loading': {'load_weights'},
    'config_text': {'read_config_text'},
    'config_variables': {'set_variables'},
    'inferencers': {'class_names'},
    'loaded_objects': {'find_loaded', 'imports', 'is_model_of_libraries'},
    'on_import': {'on_import'},
    'optimizers': {'add_groups'},
    'replacing': {'is_original', 'wrap_in_mmengine'},
    'resuming': {'find_checkpoint_since', 'is_whole'},
    'workers': {'run_worker'},
}


def test_every_patch_is_in_one_list():
    functions = set()
    for path in (ROOT / 'dyreg_mmaction' / 'compat').glob('*.py'):
        if path.stem not in LISTS:
            module = import_module(f'dyreg_mmaction.compat.{path.stem}')
            names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
            public = {name for name in names if not name.startswith('_')} - HELPERS.get(path.stem, set())
            functions |= {getattr(module, name) for name in public}
    listed = [patch.apply for patch in PATCHES]
    assert len(listed) == len({*listed}) and {*listed} == functions


def test_lists_fit_on_a_screen():
    for name in ('repairs', 'policies'):
        text = inspect.getsource(import_module(f'dyreg_mmaction.compat.{name}'))
        assert len(text[text.index(f'{name.upper()} = (') :].splitlines()) <= 50


@pytest.mark.parametrize('patch', PATCHES, ids=lambda patch: patch.apply.__name__)
def test_upstream_line_is_in_the_listed_function(patch):
    place, _, function = patch.upstream.partition(' ')
    file, _, line = place.partition(':')
    package = file.partition('/')[0]
    name, expected = VERSIONS.get(package, ('mmcv-lite', '2.1.0'))
    try:
        installed = version(name).partition('+')[0]
    except PackageNotFoundError:
        installed = 'none'
    if installed != expected:
        pytest.skip(f'lines are those of {name} {expected}, and {installed} is installed')
    path = Path(find_spec(package).origin).parents[1] / file
    text = path.read_text()
    if not line:
        assert patch.fixed_in
        return
    assert text.splitlines()[int(line) - 1].strip()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    around = [node.name for node in functions if node.lineno <= int(line) <= node.end_lineno]
    assert around[-1:] == ([function] if function else [])


def test_docs_contain_both_lists():
    text = (ROOT / 'docs' / 'project' / 'compatibility.md').read_text()
    for patches in (compat.REPAIRS, compat.POLICIES):
        assert table(patches) in text, (
            'run python -m dyreg_mmaction.compat and put its tables into docs/project/compatibility.md'
        )
