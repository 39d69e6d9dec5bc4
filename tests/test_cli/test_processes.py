"""Work dirs are locked and processes end with their launcher. Tested with real processes."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dyreg_mmaction.cli.processes import hold_work_dir, is_first_process

ROOT = Path(__file__).parents[2]
MODULE = ROOT / 'dyreg_mmaction' / 'cli' / 'processes.py'  # loaded alone, as importing the package takes seconds


def start(code: str, **env: str) -> subprocess.Popen:
    load = (
        'import importlib.util, os, sys, subprocess, time\n'
        f'spec = importlib.util.spec_from_file_location("processes", {str(MODULE)!r})\n'
        'processes = importlib.util.module_from_spec(spec)\n'
        'spec.loader.exec_module(processes)\n'
    )
    command = [sys.executable, '-c', load + code]
    return subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_second_writer_raises_an_error_with_the_first(tmp_path):
    # with a child process that outlives it, like data loading workers
    first = start(
        f'processes.hold_work_dir({str(tmp_path)!r})\n'
        f'open({str(tmp_path / "writer.json")!r}).read()\n'  # this would release a POSIX lock
        'if os.fork() == 0:\n    print("holds", flush=True)\n    time.sleep(20)\n    os._exit(0)\n'
        'time.sleep(60)'
    )
    try:
        assert first.stdout.readline() == 'holds\n'
        with pytest.raises(RuntimeError, match=f'is in use by process {first.pid} on {os.uname().nodename}'):
            hold_work_dir(str(tmp_path))
        hold_work_dir(str(tmp_path / 'other'))
    finally:
        first.kill()
        first.wait()
    hold_work_dir(str(tmp_path))  # released when the process has ended
    hold_work_dir(str(tmp_path))  # again in the same process
    second = start(f'processes.hold_work_dir({str(tmp_path)!r})')
    assert second.wait() == 1


def test_unlockable_work_dir_warns(tmp_path, monkeypatch):
    """A file system without locks, a file of another user, and a file instead of the folder."""

    def flock(file, operation):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', flock)
    with pytest.warns(
        UserWarning, match='cannot be locked: .*No locks available; make sure that no other training uses it'
    ):
        since = hold_work_dir(str(tmp_path / 'unlocked'))
    assert since == json.loads((tmp_path / 'unlocked' / 'writer.json').read_text())['since']
    (tmp_path / 'strange' / 'writer.json').mkdir(parents=True)
    with pytest.warns(UserWarning, match='writer.json cannot be written: .*; make sure that no other training uses'):
        assert hold_work_dir(str(tmp_path / 'strange')) is None
    (tmp_path / 'file').touch()
    with pytest.raises(RuntimeError, match="work_dir='.*/file' cannot be created: .*; choose another --work-dir"):
        hold_work_dir(str(tmp_path / 'file'))


def test_start_time_is_that_of_the_first_process(tmp_path):
    """A restarted process only continues a run of the same launch."""

    def began(launch: str, restarts: int) -> str:
        code = f'print(processes.hold_work_dir({str(tmp_path)!r}))'
        process = start(code, TORCHELASTIC_RUN_ID=launch, TORCHELASTIC_RESTART_COUNT=str(restarts))
        return process.communicate()[0]

    first = began('a', 0)
    assert began('a', 1) == began('a', 2) == first
    assert len({first, began('a', 0), began('b', 1), began('none', 0), began('none', 1)}) == 4
    assert began('b', 1) != began('a', 1)


@pytest.mark.parametrize('text', ['', 'null', '[]', '{', '{"pid": 1, "host": "a"}', '{"launch": "a"}'])
@pytest.mark.parametrize('restarts', ['1', ''])
def test_unknown_writer_file_is_replaced(text, restarts, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'a')
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', restarts)
    (tmp_path / 'writer.json').write_text(text)
    since = hold_work_dir(str(tmp_path))
    assert since is not None and json.loads((tmp_path / 'writer.json').read_text())['since'] == since


@pytest.mark.parametrize(
    'code, output, status',
    [('None', '', 0), ('0', '', 0), ('3', '', 3), ('-1', '', 255), ('"why"', 'why\n', 1), ('True', '', 1)],
)
def test_sys_exit_under_a_launcher(code, output, status):
    process = start(f'with processes.one_of_several("pytorch"):\n    sys.exit({code})')
    assert (process.communicate()[0], process.returncode) == (output, status)


def test_training_survives_the_end_of_its_shell(tmp_path):
    """Started in the background with RANK etc. set. Processes of torchrun end with a message."""
    worker = (
        'import importlib.util, os, sys, time\n'
        f'spec = importlib.util.spec_from_file_location("processes", {str(MODULE)!r})\n'
        'processes = importlib.util.module_from_spec(spec)\n'
        'spec.loader.exec_module(processes)\n'
        'with processes.one_of_several("pytorch"):\n'
        '    open(sys.argv[1], "w").close()\n'
        '    time.sleep(3)\n'
        'print("trained")'
    )

    def output(name: str, **env: str) -> str:
        begun = str(tmp_path / name)
        shell = f'subprocess.Popen([sys.executable, "-c", {worker!r}, {begun!r}])\n'
        return start(f'{shell}while not os.path.exists({begun!r}): time.sleep(0.1)', RANK='0', **env).communicate()[0]

    with ThreadPoolExecutor() as pool:
        by_hand, by_torchrun = pool.submit(output, 'hand'), pool.submit(output, 'torchrun', TORCHELASTIC_RUN_ID='x')
    assert by_hand.result() == 'trained\n'
    assert by_torchrun.result().endswith('has ended.\n') and 'trained' not in by_torchrun.result()


def test_worker_ends_if_its_launcher_is_killed():
    worker = (
        f'import importlib.util, time; spec = importlib.util.spec_from_file_location("p", {str(MODULE)!r}); '
        'p = importlib.util.module_from_spec(spec); spec.loader.exec_module(p); p.end_with_launcher(0.1); '
        'print("watches", flush=True); time.sleep(60)'
    )
    launcher = start(f'process = subprocess.Popen([sys.executable, "-c", {worker!r}])\nprint(process.pid, flush=True)\n'
                     'process.wait()')  # fmt: skip
    pid = int(launcher.stdout.readline())
    assert launcher.stdout.readline() == 'watches\n'
    assert Path(f'/proc/{pid}').exists()
    launcher.kill()
    launcher.wait()
    end = time.monotonic() + 10
    while Path(f'/proc/{pid}').exists() and 'Z' not in Path(f'/proc/{pid}/stat').read_text().split()[2]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_rank_of_the_launcher_selects_the_first_process(monkeypatch):
    """With torchrun on each node of a Slurm job, all processes of the first node have SLURM_PROCID 0."""
    monkeypatch.setenv('SLURM_PROCID', '0')
    monkeypatch.setenv('RANK', '1')
    assert not is_first_process('pytorch')
    assert is_first_process('slurm') and is_first_process('none')
