"""Names and conversions that NumPy 2 and Python 3.14 removed."""

import builtins
import importlib.util
import pkgutil
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .on_import import on_import


class _Numpy(ModuleType):
    """The numpy module with the names that NumPy 2 removed, for one module of MMAction2."""

    removed = dict(
        Inf=np.inf, NAN=np.nan, in1d=np.isin, trapz=getattr(np, 'trapezoid', None) or getattr(np, 'trapz', 0)
    )

    def __init__(self, numpy: Any) -> None:
        super().__init__('numpy')
        self._numpy = numpy

    def __getattr__(self, name: str) -> Any:
        if name in self.removed and (self._numpy is np or not hasattr(self._numpy, name)):
            return self.removed[name]
        return getattr(self._numpy, name)


@on_import(
    'mmaction.utils.misc',
    'mmaction.datasets.transforms.pose_transforms',
    'mmaction.evaluation.functional.accuracy',
    'mmaction.evaluation.functional.ava_evaluation.metrics',
    'mmaction.evaluation.metrics.multimodal_metric',
)
def bring_back_names(module: ModuleType) -> None:
    """MMAction2 uses ``np.Inf``, ``np.NAN``, ``np.trapz`` and ``np.in1d``, which NumPy 2 removed. They are added."""
    module.np = _Numpy(module.np)  # type: ignore[attr-defined]


def _int(value: Any) -> int:
    return builtins.int(value.item() if isinstance(value, np.ndarray) else value)


@on_import('mmaction.evaluation.functional.multisports_utils')
def take_single_elements(multisports_utils: ModuleType) -> None:
    """MultiSports' metric calls ``int`` on one-element arrays, which NumPy 2.4 rejects. It now works."""
    vars(multisports_utils).setdefault('int', _int)


@on_import('mmengine.utils.dl_utils.misc', 'mmcv.utils.ext_loader')
def bring_back_find_loader(module: ModuleType) -> None:
    """MMEngine and mmcv call ``pkgutil.find_loader``, which Python 3.14 removed. They now call ``find_spec``."""
    if module.pkgutil is pkgutil:
        module.pkgutil = SimpleNamespace(find_loader=importlib.util.find_spec)  # type: ignore[attr-defined]
