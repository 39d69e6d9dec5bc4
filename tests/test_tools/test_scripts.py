"""dist_*.sh and slurm_*.sh: mistakes get one sentence, nobody an unbound variable."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.launcher.api import LaunchConfig

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/tsm_r18_dyreg_mini.py'
SCRIPTS = ['dist_train', 'dist_test', 'slurm_train', 'slurm_test']


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
def test_missing_config_is_named(script):
    before = ['partition', 'job'] if script.startswith('slurm') else []
    result = run(script, *before, 'no.py', '1', '1')
    assert result.returncode == 2 and result.stdout.startswith(f'{script}.sh: config no.py does not exist')


@pytest.mark.parametrize('processes', ['0', '-1', 'two', '1.5', ''])
def test_number_of_processes_is_checked(processes):
    for script, before in (('dist_train', [CONFIG]), ('dist_test', [CONFIG, 'some.pth'])):
        result = run(script, *before, processes)
        assert result.returncode == 2
        assert result.stdout == f'{script}.sh: NUM_PROCESSES={processes} must be a whole number, at least 1\n'


def test_number_of_restarts_is_checked(monkeypatch):
    monkeypatch.setenv('MAX_RESTARTS', 'x')
    result = run('dist_train', CONFIG, '1')
    assert result.returncode == 2 and result.stdout == 'dist_train.sh: MAX_RESTARTS=x must be a whole number\n'


def test_fewer_gpus_than_processes_are_named(tmp_path):
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
def test_nohup_outlives_the_end_of_the_shell(tmp_path):
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
