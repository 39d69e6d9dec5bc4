"""Exit of processes that are in a group of gloo."""

import os
import signal
import subprocess
import sys

import pytest

# Process 0 keeps the GIL from before the end of its last reduction until its exit, so a thread of gloo that releases
# the tensor waits. Other functions that run at exit could give the GIL away, so they are removed.
RUN = """
import atexit, os, sys, time
import torch
import torch.distributed as dist

dist.init_process_group('gloo')
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 4))  # holds the group
dist.barrier()
atexit._clear()
{patch}
if dist.get_rank() == 0:
    dist.all_reduce(torch.ones(4), async_op=True)
    sys.setswitchinterval(1000)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass
else:
    time.sleep(0.5)
    dist.all_reduce(torch.ones(4))
    time.sleep(0.5)
"""


@pytest.fixture
def exit_codes(tmp_path):
    """Return the exit codes of two processes that run the given Python code."""

    def run(code: str) -> list[int]:
        store = {**os.environ, 'MASTER_ADDR': 'localhost', 'MASTER_PORT': '0', 'WORLD_SIZE': '2'}
        init = f"init_process_group('gloo', init_method='file://{tmp_path}/store', rank=int(os.environ['RANK']), "
        code = code.replace("init_process_group('gloo'", f'{init}world_size=2')
        processes = [subprocess.Popen([sys.executable, '-c', code], env={**store, 'RANK': str(r)}) for r in range(2)]
        return [process.wait(timeout=120) for process in processes]

    return run


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 14), reason='Python 3.14 does not end threads that wait for the GIL')
def test_processes_abort_at_exit_without_the_patch(exit_codes):
    assert exit_codes(RUN.format(patch='')) == [-signal.SIGABRT, 0]


@pytest.mark.slow
def test_processes_exit_with_code_0(exit_codes):
    patch = 'from dyreg_mmaction.compat import cpu_training; cpu_training.release_tensors_at_exit()'
    assert exit_codes(RUN.format(patch=patch)) == [0, 0]
