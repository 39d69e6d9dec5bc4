"""Shell scripts report invalid arguments in one sentence, and paths may contain spaces."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.launcher.api import LaunchConfig

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/tsm_r18_dyreg_mini.py'
SCRIPTS = ['dist_train', 'dist_test', 'slurm_train', 'slurm_test', 'train_multi']


def run(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess:
    command = ['bash', f'tools/{script}.sh', *arguments]
    env = {**os.environ, 'PYTHON': sys.executable, **env}
    return subprocess.run(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize('script', SCRIPTS)
@pytest.mark.parametrize('arguments, code', [([], 2), (['one'], 2), (['--help'], 0), (['-h'], 0), (['a', '--help'], 0)])
def test_too_few_arguments_and_help_show_the_usage(script, arguments, code):
    result = run(script, *arguments)
    assert result.returncode == code
    assert f'tools/{script}.sh' in result.stdout and 'unbound' not in result.stdout
    assert not result.stdout.startswith('#') and 'set -' not in result.stdout


@pytest.mark.parametrize('script', SCRIPTS)
def test_missing_config_raises_an_error(script):
    before = ['partition', 'job'] if script.startswith('slurm') else []
    result = run(script, *before, 'no.py', '1', '1')
    assert result.returncode == 2 and result.stdout.startswith(f'{script}.sh: config no.py does not exist')


@pytest.mark.parametrize('processes', ['0', '-1', 'two', '1.5', ''])
def test_number_of_processes_is_checked(processes):
    for script, before in (('dist_train', [CONFIG]), ('dist_test', [CONFIG, 'some.pth'])):
        result = run(script, *before, processes)
        assert result.returncode == 2
        assert result.stdout == f'{script}.sh: NUM_PROCESSES={processes} must be an integer, at least 1\n'


def test_number_of_restarts_is_checked(monkeypatch):
    monkeypatch.setenv('MAX_RESTARTS', 'x')
    result = run('dist_train', CONFIG, '1')
    assert result.returncode == 2 and result.stdout == 'dist_train.sh: MAX_RESTARTS=x must be an integer\n'


def test_fewer_gpus_than_processes_raise_an_error(tmp_path):
    for name, text in (('nvidia-smi', ''), ('python', 'case $1 in -c) echo 1 ;; *) echo "started $*" ;; esac')):
        (tmp_path / name).write_text(f'#!/bin/sh\n{text}\n')
        (tmp_path / name).chmod(0o755)
    machine = dict(PATH=f'{tmp_path}:{os.environ["PATH"]}', PYTHON=str(tmp_path / 'python'))
    result = run('dist_train', CONFIG, '2', **machine)
    assert result.returncode == 2 and 'NUM_PROCESSES=2, but there are 1 GPUs' in result.stdout
    result = run('dist_train', CONFIG, '1', '--seed', '0', **machine)
    assert result.returncode == 0 and 'started -m torch.distributed.run --standalone' in result.stdout
    result = run('dist_train', CONFIG, '1', PORT='1234', NNODES='2', NODE_RANK='1', MASTER_ADDR='host', **machine)
    assert '--nnodes=2 --node-rank=1 --master-addr=host --master-port=1234' in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(LaunchConfig, 'signals_to_handle'), reason='an older torchrun ends at each SIGHUP')
def test_nohup_survives_the_end_of_the_shell(tmp_path):
    go = tmp_path / 'go'
    (tmp_path / 'work.py').write_text(
        f'import os, time\nprint("begun", flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.1)\n'
        'print("done")'
    )
    command = ['nohup', 'bash', '-c', 'source tools/_launch.sh; launch 1 "$1"', 'tools/x.sh', str(tmp_path / 'work.py')]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, 'PYTHON': sys.executable}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while 'begun' not in (line := process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    go.touch()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and 'done' in output, output


def program(path: Path, text: str) -> str:
    """Write a shell program and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/bash\n{text}\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def checkout(tmp_path):
    """Copy of the scripts in a folder with a space in its name."""
    folder = tmp_path / 'my checkout'
    shutil.copytree(ROOT / 'tools', folder / 'tools', ignore=shutil.ignore_patterns('*.py', '__pycache__'))
    (folder / 'config.py').touch()
    return folder


def run_in(checkout, *command, **env):
    env = {**os.environ, **env}
    return subprocess.run(
        command, cwd=checkout, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )


@pytest.mark.parametrize('given', ['', 'mine', ':', 'mine:', ':mine', '::mine:::my own::'])
def test_current_folder_is_not_imported_from(checkout, given):
    python = program(checkout / 'bin/python', 'echo "path $PYTHONPATH"')
    result = run_in(checkout, 'bash', 'tools/dist_train.sh', 'config.py', '1', PYTHON=python, PYTHONPATH=given)
    assert result.stdout.split()[0] == 'path'
    assert result.stdout[5:-1].split(':') == [
        'tools/..',
        *filter(None, given.split(':')),
    ]  # an empty entry means the current folder


def test_modules_in_the_current_folder_shadow_nothing(checkout):
    (checkout / 'here').mkdir()
    (checkout / 'here/random.py').write_text('raise SystemExit("shadowed")')
    (checkout / 'tools/train.py').write_text('import random; print("trains", random.random() < 1)')
    command = ['bash', '../tools/dist_train.sh', '../config.py', '1']
    result = run_in(checkout / 'here', *command, PYTHON=sys.executable, PYTHONPATH='')
    assert 'trains True' in result.stdout or sys.version_info < (3, 11), result.stdout


def test_python_with_spaces_or_several_words(checkout):
    python = program(checkout / 'bin/python', 'echo "started $*"')
    link = checkout.parent / 'python'
    link.symlink_to(python)
    for value in (python, f'env A=1 {link}'):
        result = run_in(checkout, 'bash', str(checkout / 'tools/dist_train.sh'), 'config.py', '1', PYTHON=value)
        assert result.stdout.startswith('started -m torch.distributed.run'), result.stdout


def test_slurm_uses_the_given_python(checkout):
    program(checkout / 'bin/srun', 'echo "path $PYTHONPATH"; printf "%s\\n" "$@"')
    python = program(checkout / 'bin/mine', '')
    env = dict(PATH=f'{checkout / "bin"}:{os.environ["PATH"]}', PYTHON=python, PYTHONPATH='')
    for script, more in (('slurm_train', []), ('slurm_test', ['some.pth'])):
        result = run_in(checkout, 'bash', f'tools/{script}.sh', 'partition', 'job', 'config.py', *more, **env)
        lines = result.stdout.splitlines()
        assert lines[0] == 'path tools/..' and python in lines and 'config.py' in lines, result.stdout


def test_teacher_without_best_checkpoint_uses_the_last_one(checkout):
    python = """
        [ "$1" = - ] && { cat >/dev/null; printf 'config.py\\tthe runs/teacher.pth\\n'; exit; }
        echo "trains $*"
        mkdir -p "the runs"
        echo weights >"the runs/epoch_2.pth"
        printf 'the runs/epoch_2.pth' >"the runs/last_checkpoint"
    """
    python = program(checkout / 'bin/python', python)
    result = run_in(checkout, 'bash', 'tools/train_multi.sh', 'config.py', '1', PYTHON=python)
    assert result.returncode == 0 and result.stdout.count('trains') == 2, result.stdout
    assert (checkout / 'the runs/teacher.pth').read_text() == 'weights\n'


@pytest.mark.slow
def test_config_without_teachers_raises_an_error():
    result = run('train_multi', CONFIG, '1')
    assert result.returncode != 0 and f'{CONFIG} has no teachers; train it with dist_train.sh' in result.stdout


def test_quick_start_runs_in_a_path_with_a_space(checkout):
    python = """
        run=work_dirs/tsm_r18_dyreg-motion_mini
        case "$*" in
        *"-c import"*) echo 1 ;;
        *tools/train.py*) touch $run/epoch_1.pth && printf '%s' "$run/epoch_1.pth" >$run/last_checkpoint ;;
        *tools/test.py*) echo 'acc/top1: 0.5' ;;
        esac
        echo "step $*" >&2
    """
    program(checkout / '.venv/bin/python', python)
    program(checkout / 'tools/dev/setup.sh', 'true')
    (checkout / 'configs').mkdir()
    (checkout / 'configs/tsm_r18_dyreg-motion_mini.py').touch()
    log = checkout / 'work_dirs/tsm_r18_dyreg-motion_mini/1/1.log'
    log.parent.mkdir(parents=True)
    log.write_text('object/dist_acting: 0.2\nobject/dist_acting: 0.1\n')
    result = run_in(checkout, 'bash', str(checkout / 'tools/quickstart.sh'), PYTHON='')
    assert result.returncode == 0 and 'held-out top-1:  0.5' in result.stdout, result.stdout
    assert result.stdout.count('step ') == 5
