"""Fixtures of all tests. Modules next to this file can be imported, and PyTorch uses one thread."""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

import dyreg_mmaction  # noqa: F401  (repairs the stack before a test imports MMAction2)

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)
# Compiled kernels are not shared with other processes, nor with runs on other CPUs: PyTorch's cache does not know for
# which vector width its code was written, and code for AVX2 writes out of bounds as AVX512 (ATEN_CPU_CAPABILITY=avx2)
_cache = f'torchinductor_{os.environ.get("PYTEST_XDIST_WORKER", "main")}_{torch.backends.cpu.get_cpu_capability()}'
os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(Path(tempfile.gettempdir(), _cache)))


def pytest_configure(config: pytest.Config):
    """Keep the pipe of a worker of xdist out of forks: xdist notices a crash when the last process closes it."""
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == 'WorkerInteractor':
            pipe = plugin.channel.gateway._io
            _close_in_forks(pipe.infile.fileno(), pipe.outfile.fileno())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]):
    """In workers of xdist, begin with the files that have most slow tests, so that all end at about the same time."""
    if not hasattr(config, 'workerinput'):
        return
    num_slow = Counter(item.path for item in items if item.get_closest_marker('slow'))
    items.sort(key=lambda item: -num_slow[item.path])


def _close_in_forks(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.register_at_fork(after_in_child=lambda: [os.dup2(null, descriptor) for descriptor in descriptors])


@pytest.fixture(params=['cpu', *(['cuda'] if torch.cuda.is_available() else [])])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Every available device, in full float32 precision."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    return torch.device(request.param)


@pytest.fixture(autouse=True, scope='module')
def new_compiler_state():
    """Reset torch.compile after each module.

    A size that differed between two calls of a function is dynamic from then on, also in the models of other tests.
    With many dynamic sizes one trace took more than five minutes.
    """
    yield
    if 'torch._dynamo' in sys.modules:
        torch.compiler.reset()


@pytest.fixture(autouse=True)
def new_runner_instances():
    """MMEngine names loggers by time in seconds. Two runners in one second would share log folder and level."""
    yield
    for kind in (MessageHub, MMLogger, Visualizer):
        kind._instance_dict.clear()
