"""numpy 2, which dropped names and conversions that MMAction2 1.2.0 uses."""

import builtins
from types import ModuleType
from typing import Any

import numpy as np

from .on_import import mends


class _Numpy(ModuleType):
    """numpy with the names it had, for one module; all others see numpy as it is."""

    Inf = np.inf
    NAN = np.nan
    in1d = staticmethod(np.isin)
    trapz = staticmethod(getattr(np, 'trapezoid', None) or np.trapz)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@mends(
    'mmaction.utils.misc',
    'mmaction.datasets.transforms.pose_transforms',
    'mmaction.evaluation.functional.accuracy',
    'mmaction.evaluation.functional.ava_evaluation.metrics',
    'mmaction.evaluation.metrics.multimodal_metric',
)
def bring_back_names(module: ModuleType) -> None:
    """``mmaction/utils/misc.py:66`` and others: ``np.Inf``, ``np.NAN``, ``np.trapz``, ``np.in1d``."""
    module.np = _Numpy('numpy')  # type: ignore[attr-defined]


def _int(value: Any) -> int:
    return builtins.int(value.item() if isinstance(value, np.ndarray) else value)


@mends('mmaction.evaluation.functional.multisports_utils')
def take_single_elements(multisports_utils: ModuleType) -> None:
    """``mmaction/evaluation/functional/multisports_utils.py:67``: ``int`` of an array of one element."""
    multisports_utils.int = _int  # type: ignore[attr-defined]
