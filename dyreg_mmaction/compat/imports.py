"""Modules that ``import mmaction`` needs but does not find."""

import importlib.metadata
import importlib.util
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .on_import import on_import


def require_mmcv() -> None:
    """MMAction2 imports mmcv but does not require it. If it is missing, the error names the package to install.

    This package does not require mmcv either, because mmcv and mmcv-lite install into the same folder.

    Raises:
        ImportError: If neither mmcv nor mmcv-lite is installed.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(
            'mmcv is not installed: run `pip install mmcv-lite==2.1.0`, or install a full mmcv 2.1 (not both, '
            'because they overwrite each other)'
        )


def hide_mmcv_lite_warning() -> None:
    """mmcv-lite warns at each import that it lacks deformable attention, which is not used. The warning is hidden."""
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``', UserWarning)


class DRN:
    """Placeholder of the localizer that is missing from the mmaction2 1.2.0 wheel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError('DRN is missing from the mmaction2 1.2.0 wheel; install MMAction2 from source to use it')


class _DRNFinder(MetaPathFinder, Loader):
    package = 'mmaction.models.localizers.drn'

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name in (self.package, f'{self.package}.drn') else None

    def exec_module(self, module):
        if module.__name__ != self.package:
            from mmaction.registry import MODELS

            module.DRN = DRN
            if 'DRN' not in MODELS.module_dict:  # keep a class that a user has registered
                MODELS.register_module(module=DRN)


def supply_drn() -> None:
    """The wheel of MMAction2 lacks a package that ``mmaction.models`` imports. A placeholder is now imported.

    Its finder is the last in ``sys.meta_path``, so an installed package is preferred.
    """
    sys.meta_path.append(_DRNFinder())


def alias_importlib_metadata() -> None:
    """MMAction2 imports ``importlib_metadata`` but does not require it. The standard library now provides it."""
    try:
        import importlib_metadata  # noqa: F401
    except ImportError:
        sys.modules['importlib_metadata'] = importlib.metadata


@on_import('mmaction.utils.dependency')
def leave_out_vindlu(dependency: ModuleType) -> None:
    """If transformers is installed, VindLU needs timm and transformers < 5. Without them it is now disabled.

    MMAction2 then registers the placeholder that it also uses without transformers.
    """
    if importlib.util.find_spec('timm') is None or dependency.satisfy_requirement('transformers>=5'):
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]
