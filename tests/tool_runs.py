"""Run the command-line tools like a user, for tests."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from warm_python import WarmPython

ROOT = Path(__file__).parents[1]


def environment(**env: str) -> dict[str, str]:
    """Return the environment of a command in which test modules can be imported."""
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    paths = f'{ROOT}:{ROOT / "tests"}'
    fixed = dict(PYTHON=sys.executable, PYTHONPATH=paths, OMP_NUM_THREADS='1', PYTHONFAULTHANDLER='1')
    return {**os.environ, 'PATH': path, **fixed, **env}


def start(*command: str, **env: str) -> subprocess.Popen:
    """Start a command in the repository."""
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return subprocess.Popen(command, cwd=ROOT, env=environment(**env), text=True, **streams)


@functools.cache
def warm_python() -> WarmPython:
    """Return the process shared by all tests of this process."""
    return WarmPython(environment())


def run(*command: str, check: bool = True, **env: str) -> str:
    """Return the output of a command. With ``check`` it must succeed.

    Python scripts run in a fork of a process that has imported the stack, which saves seconds. Other commands run in
    new processes.
    """
    if command[0] == sys.executable and command[1].endswith('.py'):
        code, output = warm_python().run(list(command[1:]), ROOT, environment(**env))
    else:
        process = start(*command, **env)
        output = process.communicate()[0]
        code = process.returncode
    assert not check or code == 0, output[-20000:]  # has the stacks of all processes if they hung
    return output


def fail(*command: str, **env: str) -> str:
    """Return the output of a Python script that must fail."""
    code, output = warm_python().run(list(command[1:]), ROOT, environment(**env))
    assert code != 0, output[-4000:]
    return output


def dist_train(config: str, work_dir: Path, *arguments: str, processes: int = 2, **env: str) -> subprocess.Popen:
    """Run tools/dist_train.sh."""
    command = ['bash', 'tools/dist_train.sh', config, str(processes), '--work-dir', str(work_dir), *arguments]
    return start(*command, **env)


def wait_for(process: subprocess.Popen, text: str) -> str:
    """Return the output of a process until it contains ``text``."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return ''.join(lines)
    raise AssertionError(''.join(lines)[-4000:])
