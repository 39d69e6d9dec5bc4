"""Python 3.14, which dropped a function that mmengine 0.10.7 and mmcv 2.1 use."""

import importlib.util
from types import ModuleType, SimpleNamespace

from .on_import import mends


@mends('mmengine.utils.dl_utils.misc', 'mmcv.utils.ext_loader')
def bring_back_find_loader(module: ModuleType) -> None:
    """``mmengine/utils/dl_utils/misc.py:109``, ``mmcv/utils/ext_loader.py:71``: ``pkgutil.find_loader``."""
    module.pkgutil = SimpleNamespace(find_loader=importlib.util.find_spec)  # type: ignore[attr-defined]
