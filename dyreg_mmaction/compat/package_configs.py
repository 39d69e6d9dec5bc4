"""Configs of installed packages, such as ``mmaction::x/y.py``."""

import functools
import importlib.util
import os.path as osp
import sys
from collections.abc import Callable
from typing import Any

from .replacing import is_original, wrap_in_mmengine

PACKAGE = 'dyreg_mmaction'


def find_packages() -> None:
    """``mmaction::x/y.py`` as a base needs pkg_resources, which setuptools 82 removed. It is no longer needed.

    This package is never looked up with pkg_resources, which returns a wrong path for an editable install.
    """
    from mmengine.config import utils
    from mmengine.utils import package_utils

    utils.MODULE2PACKAGE[PACKAGE] = PACKAGE
    name = 'pkg_resources'
    has_pkg_resources = (
        name in sys.modules or importlib.util.find_spec(name) is not None
    )  # a user's replacement may have no spec

    def path_of(package: str) -> str | None:
        modules = {package: module for module, package in utils.MODULE2PACKAGE.items()}
        spec = importlib.util.find_spec(modules.get(package, package))
        return osp.dirname(spec.origin) if spec and spec.origin else None

    def works(stock: Callable, package: str) -> bool:
        return package != PACKAGE and (has_pkg_resources or not is_original(stock, package_utils))

    def wrap_is_installed(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def is_installed(package: str) -> bool:
            return stock(package) if works(stock, package) else path_of(package) is not None

        return is_installed

    def wrap_get_installed_path(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def get_installed_path(package: str) -> str:
            if works(stock, package):
                return stock(package)
            path = path_of(package)
            if path is None:
                raise ModuleNotFoundError(f'{package} is not installed: run `pip install {package}`')
            return path

        return get_installed_path

    wrap_in_mmengine('is_installed', wrap_is_installed)
    wrap_in_mmengine('get_installed_path', wrap_get_installed_path)


def find_flat_configs() -> None:
    """``package::config.py`` without a folder raises an error. It now works for configs of this package."""
    import mmengine.config  # noqa: F401

    def wrap(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def get_package_and_cfg_path(cfg_path: str) -> tuple[str, str]:
            package, _, path = cfg_path.partition('::')
            return (package, path) if package == PACKAGE else stock(cfg_path)

        return get_package_and_cfg_path

    wrap_in_mmengine('_get_package_and_cfg_path', wrap)


def open_configs_of_packages() -> None:
    """``package::path`` works as ``_base_`` and in the hub only. Config.fromfile and inferencers now accept it too."""
    from mmengine.config import Config, utils
    from mmengine.infer import BaseInferencer
    from mmengine.utils import package_utils

    stock_fromfile, stock_load = Config.fromfile, BaseInferencer._load_model_from_metafile

    @functools.wraps(stock_fromfile)
    def fromfile(filename: Any, *args: Any, **kwargs: Any) -> Any:
        if '::' in str(filename):
            package, path = utils._get_package_and_cfg_path(str(filename))
            filename = utils._get_external_cfg_base_path(package_utils.get_installed_path(package), path)
        return stock_fromfile(filename, *args, **kwargs)

    @functools.wraps(stock_load)
    def load_model_from_metafile(self: Any, model: str) -> tuple:
        return (Config.fromfile(model), None) if '::' in model else stock_load(self, model)

    Config.fromfile = staticmethod(fromfile)
    BaseInferencer._load_model_from_metafile = load_model_from_metafile
