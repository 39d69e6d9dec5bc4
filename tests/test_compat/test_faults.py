"""Every patch of dyreg_mmaction/compat fixes its fault, which occurs without it and with all other patches.

Each check runs in a separate process, forked from this file run as a script, because a patch cannot be removed.
"""

import importlib.util
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from compat_faults import FAULTS, HIDDEN

TESTED_ELSEWHERE = {
    'require_mmcv': 'tests/test_packaging.py',
    'load_weights_only': 'test_older_torch.py',
    'bring_forward_names': 'test_older_torch.py',
    'patch_in_workers': 'test_workers.py',
    'release_tensors_at_exit': 'test_exits.py',
    'check_configs': 'tests/test_engine/test_hooks/test_check_config.py',
}
ABOUT_IMPORTS = ('compat_faults.imports', 'compat_faults.removed_names')


class _PathFinder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname in HIDDEN else super().find_spec(fullname, path, target)


def _load_compat():
    """Load compat/ in a package that is not executed, because importing dyreg_mmaction would apply the repairs."""
    spec = importlib.util.find_spec('dyreg_mmaction')
    sys.modules['dyreg_mmaction'] = importlib.util.module_from_spec(spec)
    return importlib.import_module('dyreg_mmaction.compat')


def _in_fork(name: str, patches: Iterable, folder: Path) -> str:
    """Apply ``patches`` and run the test of ``name``. Return its traceback, '' if it passes."""
    folder.mkdir()
    report = folder.with_suffix('.txt')
    if os.fork() == 0:
        try:
            for patch in patches:
                patch.apply()
            run, _ = FAULTS[name]
            run(folder)
            report.write_text('')
        except BaseException:
            report.write_text(traceback.format_exc())
        finally:
            os._exit(0)
    os.wait()
    return report.read_text()


def _main(folder: Path) -> None:
    sys.meta_path[:] = [_PathFinder if finder is PathFinder else finder for finder in sys.meta_path]
    # slow imports that need no patch, once for all forks
    import matplotlib.pyplot  # noqa: F401
    import mmengine.runner  # noqa: F401
    import scipy.stats  # noqa: F401

    compat = _load_compat()
    # check_configs imports the rest of the package, which would apply the others
    patches = [patch for patch in compat.REPAIRS + compat.POLICIES if patch.apply.__name__ != 'check_configs']
    without, fixed = {}, {}
    for name, (run, _) in FAULTS.items():
        others = [patch for patch in patches if patch.apply.__name__ != name]
        without[name] = _in_fork(name, others, folder / f'{name}_without')
        if run.__module__ in ABOUT_IMPORTS:
            fixed[name] = _in_fork(name, patches, folder / f'{name}_with')
    for patch in patches:
        patch.apply()
    import mmaction.apis
    import mmaction.datasets
    import mmaction.engine  # noqa: F401

    for name in FAULTS.keys() - fixed.keys():  # these share the imports
        fixed[name] = _in_fork(name, (), folder / f'{name}_with')
    (folder / 'results.json').write_text(json.dumps({name: (without[name], fixed[name]) for name in FAULTS}))


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp('compat')
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, __file__, folder], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads((folder / 'results.json').read_text())


def test_every_patch_is_tested():
    from dyreg_mmaction import compat

    names = [patch.apply.__name__ for patch in compat.REPAIRS + compat.POLICIES]
    assert sorted(names) == sorted([*FAULTS, *TESTED_ELSEWHERE])


@pytest.mark.parametrize('name', FAULTS)
def test_fault_exists_without_the_patch(results, name):
    _, message = FAULTS[name]
    assert message in results[name][0]


@pytest.mark.parametrize('name', FAULTS)
def test_patch_fixes_the_fault(results, name):
    assert results[name][1] == ''


if __name__ == '__main__':
    _main(Path(sys.argv[1]))
