"""Patches of users stay active, whether made before our import, before the policies are enabled, or after both.

Each order runs in a separate process, forked from this file run as a script. The user's functions record their calls
and call the functions that they replace.
"""

import functools
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ORDERS = ('before the import', 'before the policies', 'after the policies')
BROKEN = 'function that fails without a repair'  # the user patch does not call it
# kind of patch: function that a user replaces
REPLACED = {
    'function that modules import by name': ('mmengine.runner.checkpoint', 'save_checkpoint'),
    'function that a package exports': ('mmengine.runner', 'find_latest_checkpoint'),
    BROKEN: ('mmengine.utils.package_utils', 'is_installed'),
    'method': ('mmengine.runner.runner', 'Runner.load_or_resume'),
    'static method': ('mmengine.config.config', 'Config.fromfile'),
    'static method that is replaced during a call': ('mmengine.config.config', 'Config.fromstring'),
    'method of a module patched on its import': ('mmaction.datasets.transforms.processing', 'CenterCrop.transform'),
    'method that a repair replaces': ('mmaction.datasets.transforms.processing', 'ColorJitter.adjust_hue'),
    'function of a namespace': ('torch.utils.checkpoint', 'checkpoint'),
    'private function of PyTorch': ('torch.distributed.rendezvous', '_create_c10d_store'),
    'loop of workers': ('torch.utils.data._utils.worker', '_worker_loop'),
}
MODULE = 'module in a module'  # np in the module, which bring_back_names replaces


class _Numpy:
    """A user's NumPy for one module of MMAction2."""

    def __init__(self, numpy: Any) -> None:
        self.numpy, self.Inf, self.trapz = numpy, 1e9, 'the trapz of a user'

    def __getattr__(self, name: str) -> Any:
        return getattr(self.numpy, name)


def _replace(called: set[str]) -> None:
    """Replace functions as a user would."""
    for kind, (module, path) in REPLACED.items():
        owner = importlib.import_module(module)
        *parents, name = path.split('.')
        for parent in parents:
            owner = getattr(owner, parent)
        setattr(owner, name, _noting(vars(owner)[name], kind, called))
    accuracy = importlib.import_module('mmaction.evaluation.functional.accuracy')
    accuracy.np = _Numpy(accuracy.np)


def _noting(stock: Any, kind: str, called: set[str]) -> Any:
    function = stock.__func__ if isinstance(stock, staticmethod) else stock

    def users(*args: Any, **kwargs: Any) -> Any:
        called.add(kind)
        return True if kind == BROKEN else function(*args, **kwargs)

    return staticmethod(users) if isinstance(stock, staticmethod) else users


def _use(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return a call of the function of each kind."""
    import mmengine.runner
    import numpy as np
    import torch
    from compat_faults.toys import toy_runner
    from mmaction.datasets.transforms import processing
    from mmaction.models.backbones import resnet
    from mmengine.config import Config
    from mmengine.utils import package_utils
    from torch.utils.data._utils import worker

    frame = np.zeros((8, 8, 3), np.uint8)

    def resume() -> None:
        hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})
        old = dict(meta=dict(config='a = 1', epoch=0, iter=0), message_hub=hub, state_dict={})
        torch.save(old, folder / 'old.pth')
        toy_runner(folder, load_from=str(folder / 'old.pth'), resume=True).train()

    def checkpoint() -> None:
        block = resnet.Bottleneck(8, 2, with_cp=True)
        block(torch.ones(2, 8, 4, 4, requires_grad=True)).sum().backward()

    def rendezvous() -> None:
        os.environ.update(RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT='0')
        next(torch.distributed.rendezvous('env://'))

    def literals() -> None:
        resume()
        assert Config.fromstring('a = 1 + 1', '.py').a == 2  # the user patch is restored and executes code

    def start_worker() -> None:
        with pytest.raises(TypeError):
            worker._worker_loop()

    (folder / 'config.py').write_text('a = 1')
    return {
        'function that modules import by name': lambda: mmengine.runner.checkpoint.save_checkpoint(
            {}, f'{folder}/a.pth'
        ),
        'function that a package exports': lambda: mmengine.runner.find_latest_checkpoint(str(folder)),
        BROKEN: lambda: package_utils.is_installed('mmengine'),
        'method': toy_runner(folder).train,
        'static method': lambda: Config.fromfile(folder / 'config.py'),
        'static method that is replaced during a call': literals,
        'method of a module patched on its import': lambda: processing.CenterCrop(8).transform(
            dict(imgs=[frame], img_shape=(8, 8), modality='RGB')
        ),
        'method that a repair replaces': lambda: processing.ColorJitter.adjust_hue(frame, 0.1),
        'function of a namespace': checkpoint,
        'private function of PyTorch': rendezvous,
        'loop of workers': start_worker,
    }


def _run(order: str, folder: Path) -> dict[str, str]:
    """Return the errors by kind."""
    called: set[str] = set()
    if order == ORDERS[0]:
        sys.modules['importlib_metadata'] = importlib.metadata  # without which a user cannot import MMAction2's modules
        sys.modules['pkg_resources'] = SimpleNamespace()
        _replace(called)
    from dyreg_mmaction import compat

    if order == ORDERS[1]:
        _replace(called)
    compat.enable_policies()
    if order == ORDERS[2]:
        _replace(called)
    compat.apply_repairs(), compat.enable_loop_policies(), compat.enable_policies()  # nothing is applied twice
    wrong = {}
    for kind, use in _use(folder).items():
        called.clear()
        try:
            use()
            wrong[kind] = '' if kind in called else 'not called'
        except Exception:
            wrong[kind] = traceback.format_exc()
    from mmaction.evaluation.functional import accuracy

    found = accuracy.np.Inf, accuracy.np.trapz, accuracy.np.pi
    wrong[MODULE] = '' if found == (1e9, 'the trapz of a user', 3.141592653589793) else str(found)
    return wrong


def _main(folder: Path) -> None:
    import matplotlib.pyplot  # noqa: F401
    import mmengine.infer  # noqa: F401
    import mmengine.runner  # noqa: F401

    for order in ORDERS:
        (folder / order).mkdir()
        if os.fork() == 0:
            try:
                (folder / f'{order}.json').write_text(json.dumps(_run(order, folder / order)))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.wait()


@functools.cache
def _stderr(folder: Path) -> str:
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, __file__, folder], env=environment, capture_output=True, text=True)
    return run.stderr


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('user_patches')


@pytest.mark.parametrize('kind', [*REPLACED, MODULE])
@pytest.mark.parametrize('order', ORDERS)
def test_patches_of_users_are_kept(order, kind, folder):
    stderr = _stderr(folder)
    result = folder / f'{order}.json'
    assert result.exists(), stderr
    assert json.loads(result.read_text())[kind] == ''


def test_loaders_of_users_are_kept(monkeypatch):
    from mmengine.runner import checkpoint

    from dyreg_mmaction.compat import checkpoint_loading

    def own(filename, map_location=None):
        return dict(own=filename)

    loaders = {'': checkpoint.load_from_local, 'torchvision://': own, 'modelzoo://': checkpoint.load_from_torchvision}
    monkeypatch.setattr(checkpoint.CheckpointLoader, '_schemes', loaders)
    checkpoint_loading.load_torchvision_weights()
    assert checkpoint.CheckpointLoader.load_checkpoint('torchvision://resnet18') == dict(own='torchvision://resnet18')
    assert checkpoint.CheckpointLoader._schemes['modelzoo://'] is not checkpoint.load_from_torchvision


if __name__ == '__main__':
    _main(Path(sys.argv[1]))
