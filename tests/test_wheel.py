"""Contents of the sdist and the wheel, and commands of the wheel in a new environment, outside the repository."""

import csv
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from video_cases import encode

ROOT = Path(__file__).parents[1]


def tracked_files() -> set[str]:
    """Return the files of the repository, or of the sdist that contains the tests."""
    run = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    paths = run.stdout.splitlines() or [str(path.relative_to(ROOT)) for path in ROOT.rglob('*') if path.is_file()]
    return {path for path in paths if (ROOT / path).exists() and not path.endswith('.pyc')}


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """Files in the sdist and in the wheel built from it, and the wheel."""
    folder = tmp_path_factory.mktemp('built')
    source = folder / 'source'  # builds write files to the source folder
    for path in tracked_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path, follow_symlinks=False)
    build_sdist = 'import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])'
    _run(sys.executable, '-c', build_sdist, str(folder), cwd=source)
    (archive,) = folder.glob('dyreg_mmaction-*.tar.gz')
    with tarfile.open(archive) as sdist:
        sdist.extractall(folder, filter='data')
    unpacked = folder / archive.name.removesuffix('.tar.gz')
    command = (sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '--quiet')
    _run(*command, str(unpacked), cwd=folder)
    (wheel,) = folder.glob('dyreg_mmaction-*.whl')
    packed = {str(path.relative_to(unpacked)) for path in unpacked.rglob('*') if path.is_file()}
    return packed, set(zipfile.ZipFile(wheel).namelist()), wheel


def _run(*command: str, cwd: Path) -> None:
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_sdist_contains_the_repository(built):
    missing = tracked_files() - built[0]
    links = {'dyreg_mmaction/.mim/configs', 'dyreg_mmaction/.mim/tools'}
    assert missing <= {'.gitignore', *links}
    assert 'tests/test_packaging.py' in built[0] and not [path for path in built[0] if path.endswith('.pyc')]


@pytest.mark.slow
def test_wheel_contains_the_package_and_the_mim_folder(built):
    wheel, files = built[1], tracked_files()
    package = {path for path in files if path.startswith('dyreg_mmaction/') and '/.mim' not in path}
    assert {'dyreg_mmaction/py.typed', 'dyreg_mmaction/visualization/report/report.html'} <= package <= wheel
    configs = {path for path in files if path.startswith('configs/') and path.endswith(('.py', '.yml'))}
    tools = {path for path in files if re.fullmatch(r'tools/(analysis/|data/|deploy/)?\w+\.(py|sh)', path)}
    tools -= {'tools/quickstart.sh', 'tools/run_tests.sh'}
    linked = {f'dyreg_mmaction/.mim/{path}' for path in {*configs, *tools, 'model-index.yml'}}
    assert {path for path in wheel if '/.mim/' in path} == linked


@pytest.mark.slow
def test_wheel_contains_no_scripts(built):
    assert {path.partition('/')[0].partition('-')[0] for path in built[1]} == {'dyreg_mmaction'}
    assert not [path for path in built[1] if re.search(r'quickstart|run_tests|tools/dev|noxfile', path)]


@pytest.fixture(scope='module')
def dyreg(built, tmp_path_factory):
    """Return a function that runs the command ``dyreg`` of an environment into which the wheel was installed.

    All other packages are used from their current location, so PyTorch is not installed again.
    """
    folder = tmp_path_factory.mktemp('user')
    venv.create(folder / 'env', symlinks=True)
    (packages,) = folder.glob('env/lib/python*/site-packages')
    # .pth files in folders of a .pth file are not read: this repository, installed in editable mode, is not found
    others = [path for path in sys.path if Path(path).name in ('site-packages', 'dist-packages')]
    (packages / 'others.pth').write_text('\n'.join(others))
    install = ('install', '--quiet', '--no-deps', '--no-index', '--ignore-installed', str(built[2]))
    _run(sys.executable, '-m', 'pip', '--python', str(folder / 'env/bin/python'), *install, cwd=folder)
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}

    def run(*arguments: object) -> str:
        command = [folder / 'env/bin/dyreg', *map(str, arguments)]
        streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        done = subprocess.run(command, cwd=folder, env=environment, text=True, preexec_fn=_use_one_core, **streams)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    run.folder = folder
    return run


def _use_one_core() -> None:
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.slow
def test_commands_of_the_wheel_run_in_any_folder(dyreg):
    for label in ('cut', 'pour it'):
        (dyreg.folder / 'my_videos' / label).mkdir(parents=True)
        for number in range(3):
            encode(dyreg.folder / 'my_videos' / label / f'video {number}.mp4', frames=8 + number)
    output = dyreg('folder', 'my_videos/', '--model', 'r18', '--epochs', 1, '--batch-size', 1)
    assert 'held-out accuracy' in output and (dyreg.folder / 'my_videos_dyreg/run_1/report/report.html').is_file()
    dyreg('predict', 'my_videos_dyreg/run_1', 'my_videos/pour it', '--one-view', '--out', 'predicted')
    with (dyreg.folder / 'predicted/predictions.csv').open(encoding='utf-8', newline='') as file:
        assert {row['class'] for row in csv.DictReader(file)} <= {'cut', 'pour it'}
    dyreg('export', 'my_videos_dyreg/config.py', 'my_videos_dyreg/run_1/epoch_1.pth', 'model.pt2')
    assert (dyreg.folder / 'model.json').is_file()
