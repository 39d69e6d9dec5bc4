"""mmengine 0.10.7."""

import functools
import importlib.util
import os.path as osp
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from .config_text import read_config_text
from .on_import import mends
from .replacing import replace_in_mmengine

PACKAGE = 'dyreg_mmaction'


def find_packages() -> None:
    """``mmengine/utils/package_utils.py:17``: bases such as ``mmaction::x/y.py`` need what setuptools 82 dropped.

    That pkg_resources also looks for an editable install in the wrong place, so this package is always found anew.
    """
    from mmengine.config import utils
    from mmengine.utils import package_utils

    utils.MODULE2PACKAGE[PACKAGE] = PACKAGE
    stock_is_installed, stock_get_installed_path = package_utils.is_installed, package_utils.get_installed_path
    has_pkg_resources = importlib.util.find_spec('pkg_resources') is not None

    def path_of(package: str) -> str | None:
        modules = {package: module for module, package in utils.MODULE2PACKAGE.items()}
        spec = importlib.util.find_spec(modules.get(package, package))
        return osp.dirname(spec.origin) if spec and spec.origin else None

    @functools.wraps(stock_is_installed)
    def is_installed(package: str) -> bool:
        if has_pkg_resources and package != PACKAGE:
            return stock_is_installed(package)
        return path_of(package) is not None

    @functools.wraps(stock_get_installed_path)
    def get_installed_path(package: str) -> str:
        if has_pkg_resources and package != PACKAGE:
            return stock_get_installed_path(package)
        path = path_of(package)
        if path is None:
            raise ModuleNotFoundError(f'{package} is not installed: run `pip install {package}`.')
        return path

    replace_in_mmengine(stock_is_installed, is_installed)
    replace_in_mmengine(stock_get_installed_path, get_installed_path)


def find_flat_configs() -> None:
    """``mmengine/config/utils.py:124`` wants a sub-folder in ``package::folder/config.py``; our configs have none."""
    from mmengine.config import utils

    stock = utils._get_package_and_cfg_path

    @functools.wraps(stock)
    def get_package_and_cfg_path(cfg_path: str) -> tuple[str, str]:
        package, _, path = cfg_path.partition('::')
        return (package, path) if package == PACKAGE else stock(cfg_path)

    replace_in_mmengine(stock, get_package_and_cfg_path)


def open_configs_of_packages() -> None:
    """``package::path`` names a config for ``_base_`` and the hub, but not elsewhere: now wherever a path may stand.

    ``mmengine/config/config.py:433``, and ``mmengine/infer/infer.py:186``, which takes it for a name in a metafile.
    """
    from mmengine.config import Config
    from mmengine.config.utils import _get_external_cfg_base_path, _get_package_and_cfg_path
    from mmengine.infer import BaseInferencer
    from mmengine.utils import get_installed_path

    stock_fromfile, stock_load = Config.fromfile, BaseInferencer._load_model_from_metafile

    @functools.wraps(stock_fromfile)
    def fromfile(filename: Any, *args: Any, **kwargs: Any) -> Any:
        if '::' in str(filename):
            package, path = _get_package_and_cfg_path(str(filename))
            filename = _get_external_cfg_base_path(get_installed_path(package), path)
        return stock_fromfile(filename, *args, **kwargs)

    @functools.wraps(stock_load)
    def load_model_from_metafile(self: Any, model: str) -> tuple:
        return (Config.fromfile(model), None) if '::' in model else stock_load(self, model)

    Config.fromfile = staticmethod(fromfile)
    BaseInferencer._load_model_from_metafile = load_model_from_metafile


def init_dist_on_cpu() -> None:
    """``mmengine/dist/utils.py:130``: all launchers select a GPU first and NCCL next; on a CPU it is gloo now."""
    from mmengine.device import get_device
    from mmengine.dist import utils

    stock = utils.init_dist

    @functools.wraps(stock)
    def init_dist(launcher: str, backend: str = 'nccl', init_backend: str = 'torch', **kwargs: Any) -> None:
        if get_device() != 'cpu':
            return stock(launcher, backend, init_backend, **kwargs)
        set_device = torch.cuda.set_device
        torch.cuda.set_device = lambda device: None
        try:
            stock(launcher, 'gloo' if backend == 'nccl' else backend, init_backend, **kwargs)
        finally:
            torch.cuda.set_device = set_device

    replace_in_mmengine(stock, init_dist)


def wrap_models_on_cpu() -> None:
    """``mmengine/model/wrappers/distributed.py:93``: DDP refuses the runner's ``device_ids`` for a model on the CPU."""
    from mmengine.model import MMDistributedDataParallel

    stock = MMDistributedDataParallel.__init__

    @functools.wraps(stock)
    def init(self: Any, module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        if all(parameter.device.type == 'cpu' for parameter in module.parameters()):
            kwargs['device_ids'] = None
        stock(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = init


def mix_precision_on_cpu() -> None:
    """``mmengine/optim/optimizer/amp_optimizer_wrapper.py:79`` asserts a GPU; on a CPU it is bfloat16 now, unscaled.

    Not so with 3D convolutions: torch 2.13 gave them gradients of 1e37 there, now and then, in a ResNet3d.
    """
    from mmengine.device import get_device
    from mmengine.optim import AmpOptimWrapper
    from mmengine.optim.optimizer import amp_optimizer_wrapper

    stock, stock_context = AmpOptimWrapper.__init__, AmpOptimWrapper.optim_context

    @functools.wraps(stock)
    def init(self: Any, loss_scale: Any = 'dynamic', dtype: Any = None, use_fsdp: bool = False, **kwargs: Any) -> None:
        if get_device() != 'cpu':
            return stock(self, loss_scale, dtype, use_fsdp, **kwargs)
        is_cuda_available = amp_optimizer_wrapper.is_cuda_available
        amp_optimizer_wrapper.is_cuda_available = lambda: True
        try:
            stock(self, dict(enabled=False), 'bfloat16', use_fsdp, **kwargs)
        finally:
            amp_optimizer_wrapper.is_cuda_available = is_cuda_available

    @functools.wraps(stock_context)
    def optim_context(self: Any, model: torch.nn.Module) -> Any:
        if get_device() == 'cpu' and any(isinstance(module, torch.nn.Conv3d) for module in model.modules()):
            raise ValueError(
                'gradients of 3D convolutions in bfloat16 are not to be trusted on a CPU; train without --amp'
            )
        return stock_context(self, model)

    AmpOptimWrapper.__init__, AmpOptimWrapper.optim_context = init, optim_context


def read_configs_of_checkpoints() -> None:
    """``mmengine/runner/runner.py:2028``, ``mmengine/infer/infer.py:476`` execute the config's text in a checkpoint."""
    from mmengine.config import Config
    from mmengine.infer import BaseInferencer
    from mmengine.runner import FlexibleRunner, Runner

    stock_fromstring = Config.fromstring

    def reading(stock: Callable, is_built: bool) -> Callable:
        def fromstring(cfg_str: str, file_format: str) -> Any:
            if file_format != '.py':
                return stock_fromstring(cfg_str, file_format)
            return read_config_text(cfg_str, is_built)

        @functools.wraps(stock)
        def method(*args: Any, **kwargs: Any) -> Any:
            Config.fromstring = staticmethod(fromstring)
            try:
                return stock(*args, **kwargs)
            finally:
                Config.fromstring = staticmethod(stock_fromstring)

        return method

    for runner in (Runner, FlexibleRunner):
        runner.resume = reading(runner.resume, is_built=False)
    BaseInferencer._init_model = reading(BaseInferencer._init_model, is_built=True)


@mends('mmengine.runner.runner')
def check_configs(module: ModuleType) -> None:
    """Every runner checks its config before it runs, see :class:`.CheckConfigHook`, so MMAction2's own tools do too."""
    runner: Any = module.Runner  # type: ignore[attr-defined]
    stock = runner.register_default_hooks

    @functools.wraps(stock)
    def register_default_hooks(self: Any, hooks: dict | None = None) -> None:
        from dyreg_mmaction.engine import CheckConfigHook

        stock(self, hooks)
        self.register_hook(CheckConfigHook())

    runner.register_default_hooks = register_default_hooks
