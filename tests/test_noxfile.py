"""Nox sessions that test other versions of the requirements."""

import re
import runpy
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def noxfile():
    return runpy.run_path(str(ROOT / 'noxfile.py'))


def test_lowest_session_has_the_lower_bounds(noxfile):
    lowest = {one.name: str(one.specifier) for one in map(Requirement, noxfile['lower_bounds']())}
    assert lowest['mmengine'] == '==0.10.0' and lowest['mmcv-lite'] == '==2.0' and lowest['mmaction2'] == '==1.2.0'
    assert 'torch' not in lowest and {'numpy', 'pillow', 'rich', 'jinja2', 'filelock'} <= {*lowest}


def test_installation_with_another_opencv_works_as_documented(noxfile):
    (rest,) = re.findall(r'-e \.\npip install (.*)\n', (ROOT / 'docs/get_started/install.md').read_text())
    assert {*rest.split()} == {*noxfile['REST']} - {'av'}


def test_test_files_of_the_smoke_test_exist(noxfile):
    assert all((ROOT / path).exists() for path in noxfile['TESTS'])
