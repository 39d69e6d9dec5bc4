"""One writer for each work dir, workers that end with their launcher: with real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dyreg_mmaction.engine.processes import hold_work_dir, is_first_process

ROOT = Path(__file__).parents[2]
MODULE = ROOT / 'dyreg_mmaction' / 'engine' / 'processes.py'  # alone, as importing the package takes seconds


def start(code: str) -> subprocess.Popen:
    load = (
        'import importlib.util, os, sys, subprocess, time\n'
        f'spec = importlib.util.spec_from_file_location("processes", {str(MODULE)!r})\n'
        'processes = importlib.util.module_from_spec(spec)\n'
        'spec.loader.exec_module(processes)\n'
    )
    return subprocess.Popen([sys.executable, '-c', load + code], stdout=subprocess.PIPE, text=True)


def test_second_writer_is_told_who_the_first_is(tmp_path):
    # with a child that outlives it, as data loading workers do
    first = start(
        f'processes.hold_work_dir({str(tmp_path)!r})\n'
        'if os.fork() == 0:\n    time.sleep(20)\n    os._exit(0)\n'
        'print("holds", flush=True)\ntime.sleep(60)'
    )
    try:
        assert first.stdout.readline() == 'holds\n'
        with pytest.raises(RuntimeError, match=f'is being written to by process {first.pid} on {os.uname().nodename}'):
            hold_work_dir(str(tmp_path))
        hold_work_dir(str(tmp_path / 'other'))
    finally:
        first.kill()
        first.wait()
    hold_work_dir(str(tmp_path))  # released by its death
    hold_work_dir(str(tmp_path))  # this process again
    second = start(f'processes.hold_work_dir({str(tmp_path)!r})')
    assert second.wait() == 1


def test_worker_ends_with_a_launcher_that_is_killed():
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


def test_first_process_is_the_launchers(monkeypatch):
    """torchrun on each node of a Slurm job: all processes of the first node have SLURM_PROCID 0."""
    monkeypatch.setenv('SLURM_PROCID', '0')
    monkeypatch.setenv('RANK', '1')
    assert not is_first_process('pytorch')
    assert is_first_process('slurm') and is_first_process('none')
