"""Fixtures of all tests. Modules next to this file can be imported, and PyTorch uses one thread."""

import os
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

import dyreg_mmaction  # noqa: F401  (repairs the stack before a test imports MMAction2)

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)
if worker := os.environ.get('PYTEST_XDIST_WORKER'):  # processes must not share compiled kernels
    os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(Path(tempfile.gettempdir()) / f'torchinductor_{worker}'))


@pytest.fixture(params=['cpu', *(['cuda'] if torch.cuda.is_available() else [])])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Every available device, in full float32 precision."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    return torch.device(request.param)


@pytest.fixture(autouse=True)
def new_runner_instances():
    """MMEngine names loggers by time in seconds. Two runners in one second would share log folder and level."""
    yield
    for kind in (MessageHub, MMLogger, Visualizer):
        kind._instance_dict.clear()
