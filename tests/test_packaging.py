"""The installed package: output, dependencies, and folders for mim and MMEngine."""

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import warnings
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from mmaction import registry as mmaction_registry
from mmaction.apis import MMAction2Inferencer, init_recognizer
from mmengine.config import Config
from mmengine.hub import get_config, get_model
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from torch import nn

import dyreg_mmaction
from dyreg_mmaction import registry

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
INSTALL = (ROOT / 'docs/get_started/install.md').read_text()
ENVIRONMENT = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
# with the required repairs
IMPORT_MMACTION = """
import sys
sys.path.insert(0, 'dyreg_mmaction')
from compat import imports
sys.path.pop(0)
imports.supply_drn(), imports.alias_importlib_metadata(), imports.leave_out_vindlu()
import mmaction.models
"""


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-c', code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def test_import_prints_nothing():
    run = python('import dyreg_mmaction')
    assert (run.returncode, run.stdout, run.stderr) == (0, '', '')


def test_blocked_imports_do_not_matter():
    run = python(
        'import sys; sys.modules.update(dict.fromkeys(["av", "torchvision", "mmengine.x"])); import dyreg_mmaction'
    )
    assert run.returncode == 0, run.stderr


def test_import_without_mmcv_raises_an_error():
    run = python('import sys; sys.modules["mmcv"] = None; import dyreg_mmaction')
    assert run.returncode != 0
    assert run.stderr.splitlines()[-1].startswith(
        'ImportError: mmcv is not installed: run `pip install mmcv-lite==2.1.0`'
    )


@pytest.fixture(scope='module')
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    return parser


@pytest.fixture(scope='module')
def required(setup):
    found = map(Requirement, setup['options']['install_requires'].strip().splitlines())
    return {requirement.name: requirement.specifier for requirement in found}


def test_requirements_do_not_overwrite_mmcv_or_opencv(required, setup):
    assert not [name for name in required if name.startswith(('mmcv', 'opencv'))]
    lite = Requirement(setup['options.extras_require']['lite'].strip())
    assert lite.name == 'mmcv-lite' and '2.1.0' in lite.specifier and '2.2.0' not in lite.specifier


def test_only_patched_packages_have_upper_bounds(required, setup):
    newer = '999'
    assert [name for name, versions in required.items() if newer not in versions] == ['mmaction2', 'mmengine']
    assert newer in SpecifierSet(setup['options']['python_requires'])


def test_docs_have_the_lower_bounds(required, setup):
    for page in (README, INSTALL):
        python, torch = re.search(r'Python (\S+) or newer, PyTorch (\S+) or newer', page).groups()
        assert SpecifierSet(f'>={python}') == SpecifierSet(setup['options']['python_requires'])
        assert SpecifierSet(f'>={torch}') == required['torch']


def test_ends_of_version_ranges_were_tested(required, setup):
    table = INSTALL.partition('| Python | torch')[2].partition('\n\n')[0].splitlines()[2:]
    rows = [[cell.split()[0] for cell in line.strip('| ').split(' | ')] for line in table]
    pythons, *columns = zip(*rows, strict=True)
    for name, versions in zip(('torch', 'numpy', 'scipy', 'OpenCV', 'mmengine', 'mmcv-lite'), columns, strict=True):
        specifier = required.get(name, SpecifierSet())
        assert all(version in specifier for version in versions), name
        assert all(
            f'{bound.version}.' in f'{min(map(Version, versions))}.' for bound in specifier if bound.operator == '>='
        )
    classified = re.findall(r'Python :: (3\.\d+)', setup['metadata']['classifiers'])
    run = [version.rpartition('.')[0] for version in pythons]
    assert {classified[0], classified[-1]} <= {*run} <= {*classified}


@pytest.fixture
def setup_script(tmp_path):
    """Returns what tools/dev/setup.sh installs, given its arguments, where torch, OpenCV and mmcv are installed."""
    shutil.copytree(ROOT / 'tools', tmp_path / 'tools')
    for name in ('setup.cfg', 'pyproject.toml'):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / '.venv/bin/python'  # prints what pip would install
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\ncase "$*" in *" torch"|*" opencv-python"|*" mmcv") ;; *show*) exit 1 ;; *) echo "$*" ;; esac'
    )
    python.chmod(0o755)

    def run(*args):
        command = ['bash', 'tools/dev/setup.sh', *args]
        lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
        return [line.rpartition(' ')[2] for line in lines if 'install --' in line]

    return run


def test_setup_does_not_install_a_second_build(setup_script):
    assert setup_script() == ['.[tests]']


def test_setup_installs_only_the_requested_extra(setup_script):
    assert setup_script('av') == ['.[av]']
    assert setup_script('av') == []
    assert setup_script('tests') == ['.[tests]']
    assert setup_script('av') == setup_script() == []


def test_quickstart_does_not_install_test_requirements():
    (extra,) = re.findall(r'tools/dev/setup\.sh (\w+)', (ROOT / 'tools/quickstart.sh').read_text())
    assert extra == 'av'


def test_docs_list_all_requirements_besides_opencv(required):
    without, rest = re.search(r'pip install --no-deps (.*) -e \.\npip install (.*)\n', INSTALL).groups()
    pinned = {Requirement(text).name for text in without.split()}
    needed = {'mmcv-lite', 'mmaction2', *required}
    for name in pinned:
        needed |= {found.name for found in map(Requirement, requires(name)) if _wanted(found)}
    given = pinned | {'torch', 'numpy'} | {canonicalize_name(name) for name in rest.split()}
    assert {canonicalize_name(name) for name in needed} - given == {'opencv-python', 'opencv-contrib-python'}


def _wanted(requirement):
    return requirement.marker is None or requirement.marker.evaluate(dict(extra=''))


def test_import_time_is_close_to_that_of_mmaction_models():
    clock = 'import time; print(time.process_time())'  # process time, independent of the load of the machine
    run = python(f'{IMPORT_MMACTION}\n{clock}\nimport dyreg_mmaction\n{clock}')
    mmaction_models, both = map(float, run.stdout.split())
    assert both - mmaction_models < 0.5


# packages with another module name
PACKAGES = dict(PIL='pillow', mmaction='mmaction2', mmcv='mmcv-lite', sklearn='scikit-learn', yaml='pyyaml')
# users choose the builds of three; importlib_metadata is an alias, defined in compat/; griffe comes with mkdocstrings
UNDECLARED = {'cv2', 'torchvision', 'torchcodec', 'importlib_metadata', 'griffe'}


def imported_packages(*folders: str) -> set[str]:
    """Return the packages that Python files import, without the standard library."""
    files = [path for folder in folders for path in (ROOT / folder).rglob('*.py')]
    names = set()
    for node in (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition('.')[0])
    return {canonicalize_name(PACKAGES.get(name, name)) for name in names - sys.stdlib_module_names - UNDECLARED}


def declared(setup, *extras: str) -> dict[str, SpecifierSet]:
    lines = [setup['options']['install_requires'], *(setup['options.extras_require'][extra] for extra in extras)]
    found = [Requirement(line) for line in '\n'.join(lines).splitlines() if line]
    return {canonicalize_name(one.name): one.specifier for one in found if one.name != 'dyreg_mmaction'}


def test_every_import_is_declared(setup):
    extras = ('lite', 'av', 'boxes', 'digits', 'docs', 'explain', 'export', 'openvino')
    names = imported_packages('dyreg_mmaction', 'tools') - {'dyreg-mmaction', 'benchmarks', 'run-exported'}
    assert {'torch', 'pillow', 'jinja2', 'captum', 'mmcv-lite'} <= names <= {*declared(setup, *extras)}
    missing = imported_packages('tests') - {*declared(setup, *extras, 'tests')}
    modules = {canonicalize_name(path.stem) for path in (ROOT / 'tests').glob('*')}
    assert missing <= {'dyreg-mmaction', 'compat', 'progress', *modules}


def test_every_requirement_has_a_lower_bound(setup):
    for name, versions in declared(setup, *setup['options.extras_require']).items():
        assert any(bound.operator in ('>=', '==') for bound in versions), name


def test_version_is_defined_once(setup):
    assert setup['metadata']['version'] == 'attr: dyreg_mmaction.__version__'
    others = ('CITATION.cff', 'pyproject.toml', 'setup.py', 'model-index.yml', 'configs/metafile.yml')
    assert not [name for name in others if dyreg_mmaction.__version__ in (ROOT / name).read_text()]


@pytest.mark.parametrize('name', ['configs', 'tools', 'model-index.yml'])
def test_build_without_symlinks_raises_an_error(name, tmp_path):
    """Without symlinks, git writes text files with their targets."""
    for file in ('setup.py', 'setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / file, tmp_path)
    mim = tmp_path / 'dyreg_mmaction/.mim'
    shutil.copytree(ROOT / 'dyreg_mmaction/.mim', mim, ignore=shutil.ignore_patterns('*.*'))
    (mim / 'model-index.yml').write_text('Import: []')
    (mim.parent / '__init__.py').write_text("__version__ = '1'")

    def build() -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, 'setup.py', '--version'], cwd=tmp_path, capture_output=True, text=True)

    assert build().stdout == '1\n'
    shutil.rmtree(mim / name) if name != 'model-index.yml' else (mim / name).unlink()
    for text in (None, f'../../{name}'):
        if text:
            (mim / name).write_text(text)
        run = build()
        assert run.returncode == 1 and f'{name} is no symbolic link to ../../{name}' in run.stderr


def test_model_index_lists_every_config_of_the_top_folder():
    metafile, *_ = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    named = {model['Name']: model['Config'] for model in yaml.safe_load((ROOT / metafile).read_text())['Models']}
    assert named == {path.stem: f'configs/{path.name}' for path in (ROOT / 'configs').glob('*.py')}


def test_models_are_in_the_collection_of_their_paper():
    index = yaml.safe_load((ROOT / 'configs/metafile.yml').read_text())
    assert [collection['Name'] for collection in index['Collections']] == ['DyReg-GNN', 'RSTG']
    for model in index['Models']:  # RSTG is added to C2D
        assert model['In Collection'] == ('RSTG' if model['Name'].startswith('c2d') else 'DyReg-GNN'), model


@pytest.mark.parametrize('name', ['dyreg_mmaction::tsm_r50_dyreg_sthv2.py', 'dyreg_mmaction::_base_/recipe.py'])
def test_config_of_the_package_as_a_base(tmp_path, name):
    (tmp_path / 'config.py').write_text(f'_base_ = {name!r}\nwork_dir = "mine"')
    config = Config.fromfile(tmp_path / 'config.py')
    original = Config.fromfile(ROOT / 'configs' / name.partition('::')[2])
    assert config.pop('work_dir') == 'mine'
    assert _without_scope(config.to_dict()) == _without_scope(original.to_dict())


def _without_scope(value):
    if isinstance(value, dict):
        return {key: _without_scope(item) for key, item in value.items() if key != '_scope_'}
    return [_without_scope(item) for item in value] if isinstance(value, list | tuple) else value


def test_options_for_the_class_label_build_as_in_the_guide(tmp_path):
    guide = (ROOT / 'docs/guides/small_data.md').read_text()
    (tmp_path / 'my_model.py').write_text("_base_ = 'dyreg_mmaction::multisyncmnist/reduced/r18.py'")
    (tmp_path / 'config.py').write_text(guide.split('## Class labels only')[1].split('```')[1].removeprefix('python'))
    cfg = Config.fromfile(tmp_path / 'config.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        (plugin,) = ROOT_MODELS.build(cfg.model).backbone.plugins.values()
    assert type(plugin.regions.norm_out).__name__ == 'BatchStandardize' and not plugin.position_gradient
    assert not {'label_plugin', 'label_regions'} & set(cfg)


def test_base_of_the_package_builds(tmp_path):
    (tmp_path / 'config.py').write_text("_base_ = 'dyreg_mmaction::tsm_r50_dyreg_sthv2.py'")
    config = Config.fromfile(tmp_path / 'config.py')
    assert config.val_evaluator._scope_ == 'dyreg_mmaction'  # registries of this scope also find modules of MMAction2
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert type(ROOT_METRICS.build(config.val_evaluator)).__name__ == 'AccMetric'
        assert type(ROOT_MODELS.build(config.model).backbone).__name__ == 'DyRegResNetTSM'


def test_hub_loads_a_config_by_its_path():
    assert get_config('dyreg_mmaction::tsm_r50_dyreg_sthv2.py').model.backbone.type == 'DyRegResNetTSM'


def test_unknown_config_of_the_package_raises_file_not_found(tmp_path):
    (tmp_path / 'config.py').write_text("_base_ = 'dyreg_mmaction::nothing.py'")
    with pytest.raises(FileNotFoundError, match='nothing.py'):
        Config.fromfile(tmp_path / 'config.py')


@pytest.mark.parametrize('name', ['DyRegResNetTSM', 'dyreg_mmaction.DyRegResNetTSM', 'ResNetTSM'])
@pytest.mark.parametrize('scope', ['mmaction', 'dyreg_mmaction'])
def test_types_are_found_with_and_without_their_scope(name, scope):
    with DefaultScope.overwrite_default_scope(scope):
        with ROOT_MODELS.switch_scope_and_registry(None) as models:
            assert issubclass(models.get(name), nn.Module)


def test_every_registry_of_mmaction_has_a_child():
    # but for two that nothing is built from: FUNCTION is asked at its root, TOKENIZER has none
    names = {name for name in vars(mmaction_registry) if name.isupper() and not name.startswith('MMENGINE_')}
    children = {name: getattr(registry, name) for name in names - {'FUNCTION', 'TOKENIZER'}}
    assert all(child.parent is getattr(mmaction_registry, name) for name, child in children.items())
    assert {child.scope for child in children.values()} == {'dyreg_mmaction'}


def test_datasets_are_registered_on_first_use():
    run = python(
        'import sys, dyreg_mmaction; from mmaction.registry import DATASETS\n'
        'assert "dyreg_mmaction.datasets" not in sys.modules and "mmaction.datasets" not in sys.modules\n'
        'assert DATASETS.get("MultiSyncMNIST").__module__.startswith("dyreg_mmaction.datasets")\n'
        'assert DATASETS.get("VideoDataset").__module__.startswith("mmaction.datasets")'
    )
    assert run.returncode == 0, run.stderr


def test_config_of_the_package_is_accepted_as_a_path():
    name = 'dyreg_mmaction::tsm_r18_dyreg_mini.py'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        models = [
            get_model(name),
            init_recognizer(name, device='cpu'),
            MMAction2Inferencer(name, device='cpu').actionrecog_inferencer.model,
        ]
    assert all(list(model.backbone.plugins) == ['layer1-1-conv2-conv'] for model in models)
