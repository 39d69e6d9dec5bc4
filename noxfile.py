"""Install this package next to other versions of its requirements, run some tests and a short training there.

    nox                                          all sessions, in envs/
    nox -s lowest                                one of them
    nox -R -s lowest -- tests/test_compat/   with these tests, without installing anything again

Each session ends with a row for the table of versions in docs/get_started/install.md.
"""

import configparser
import shutil
from pathlib import Path

import nox
from packaging.requirements import Requirement

ROOT = Path(__file__).parent
OPENCV = ('opencv-python==4.8.1.78', 'opencv-contrib-python==4.8.1.78')
REST = """
addict av decord einops filelock ijson jinja2 matplotlib packaging pillow pyyaml rich safetensors scipy termcolor yapf
""".split()
TESTS = [
    'tests/test_models/test_dyreg_gnn.py',
    'tests/test_ops/test_kernels.py',
    'tests/test_ops/test_regions.py',
    'tests/test_malicious_checkpoints.py',
    'tests/test_packaging.py',
    'tests/test_compat',
    'tests/test_progress.py',
    'tests/test_visualization/test_pictures.py',
]
ROW = """
import platform, torch, numpy, scipy, cv2, mmengine, mmcv
libraries = [torch, numpy, scipy, cv2, mmengine, mmcv]
print('|', platform.python_version(), *(f'| {library.__version__}' for library in libraries), '|')
"""

nox.options.envdir = 'envs'


@nox.session(python='3.10')
def oldest(session: nox.Session) -> None:
    """The oldest Python and PyTorch, and the lower bounds of setup.cfg."""
    check(session, 'torch==2.1.2', *lower_bounds(), *OPENCV)


@nox.session(python='3.11')
def lowest(session: nox.Session) -> None:
    """The lower bounds of setup.cfg with a newer PyTorch."""
    check(session, 'torch==2.13.0', *lower_bounds(), *OPENCV)


@nox.session(python='3.13', venv_params=['--system-site-packages'])
def distribution(session: nox.Session) -> None:
    """PyTorch and OpenCV of Debian 13: apt-get install python3-torch python3-opencv."""
    check(session)


@nox.session(python='3.14')
def newest(session: nox.Session) -> None:
    """The newest releases."""
    check(session, 'torch', 'numpy', 'scipy', 'opencv-python', 'opencv-contrib-python')


def lower_bounds() -> list[str]:
    """Return the lowest versions that setup.cfg allows, of all requirements except PyTorch."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    lines = f'{setup["options"]["install_requires"]}\n{setup["options.extras_require"]["lite"]}'.split('\n')
    required = [Requirement(line) for line in lines if line and not line.startswith('torch')]
    return [f'{one.name}=={bound.version}' for one in required for bound in one.specifier if bound.operator != '<']


def check(session: nox.Session, *present: str) -> None:
    """Install the package without replacing installed packages, then run some tests and a training."""
    session.env.update(CUDA_VISIBLE_DEVICES='', PYTHONPATH='')
    if present:
        session.install(*present)
    before = packages(session)
    if any(line.startswith('opencv-python==') for line in before):
        session.install('--editable', '.[av,lite]')
    else:  # another build of OpenCV: see docs/get_started/install.md
        session.install('--no-deps', 'mmaction2==1.2.0', 'mmengine==0.10.7', 'mmcv-lite==2.1.0', '--editable', '.')
        session.install(*REST)
    session.install('pytest', 'hypothesis', 'scikit-learn')
    replaced = before - packages(session)
    if replaced:
        session.error(f'the installation has replaced {", ".join(sorted(replaced))}')
    session.run('python', '-m', 'pytest', '-q', '-m', 'not slow', '-k', 'not fault_exists', *(session.posargs or TESTS))
    train(session)
    session.run('python', '-W', 'ignore', '-c', ROW)


def packages(session: nox.Session) -> set[str]:
    """Return the session's packages with their versions."""
    listed = session.run_install('python', '-m', 'pip', 'list', '--format=freeze', '--exclude-editable', silent=True)
    return set(str(listed).split())


def train(session: nox.Session) -> None:
    """Train an epoch on a few generated videos, resume for a second one, and test."""
    tools, config = ROOT / 'tools', ROOT / 'configs/tsm_r18_dyreg_mini.py'
    folder = Path(session.create_tmp())
    shutil.rmtree(folder / 'run', ignore_errors=True)
    session.chdir(folder)
    session.run('python', tools / 'data/make_mini_something.py', 'data/mini_something', '--train', '16', '--val', '4')
    train = ['python', tools / 'train.py', config, '--work-dir', 'run', '--resume', '--cfg-options']
    for epochs in (1, 2):
        session.run(*train, 'train_cfg.val_interval=1', f'train_cfg.max_epochs={epochs}')
    session.run('grep', '-rqs', 'resumed epoch: 1', 'run', external=True)
    session.run('python', tools / 'test.py', config, 'run/epoch_2.pth', '--work-dir', 'run/test')
