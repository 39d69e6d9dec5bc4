"""The command-line tools as a user starts them: for tests."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(*command: str, **env: str) -> subprocess.Popen:
    """A command in the repository, with the modules of the tests to import from."""
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    paths = f'{ROOT}:{ROOT / "tests"}'
    env = {**os.environ, 'PATH': path, 'PYTHON': sys.executable, 'PYTHONPATH': paths, 'OMP_NUM_THREADS': '1', **env}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run(*command: str, check: bool = True, **env: str) -> str:
    """What a command says that must, with ``check``, succeed."""
    process = start(*command, **env)
    output = process.communicate()[0]
    assert not check or process.returncode == 0, output[-4000:]
    return output


def dist_train(config: str, work_dir: Path, *arguments: str, processes: int = 2, **env: str) -> subprocess.Popen:
    """tools/dist_train.sh."""
    command = ['bash', 'tools/dist_train.sh', config, str(processes), '--work-dir', str(work_dir), *arguments]
    return start(*command, **env)


def wait_for(process: subprocess.Popen, text: str) -> str:
    """What the process says until it says ``text``."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return ''.join(lines)
    raise AssertionError(''.join(lines)[-4000:])
