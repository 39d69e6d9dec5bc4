"""What `import mmaction` needs and does not find."""

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
    """MMAction2 imports mmcv but does not require it: without it, the error says what to install.

    mmcv and mmcv-lite install into the same folder, so that this package cannot require one of them either.

    Raises:
        ImportError: If neither is installed.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(
            'mmcv is not installed: run `pip install mmcv-lite==2.1.0`, which is all that this package needs (or '
            'install a full mmcv 2.1; never both, they overwrite each other).'
        )


def hide_mmcv_lite_warning() -> None:
    """mmcv-lite warns at each import that it has no deformable attention, which nothing here uses."""
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``', UserWarning)


class DRN:
    """Placeholder of the localizer that is missing from the mmaction2 1.2.0 wheel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError('DRN is missing from the mmaction2 1.2.0 wheel: install MMAction2 from source to use it.')


class _DRNFinder(MetaPathFinder, Loader):
    package = 'mmaction.models.localizers.drn'

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name in (self.package, f'{self.package}.drn') else None

    def exec_module(self, module):
        if module.__name__ != self.package:
            from mmaction.registry import MODELS

            module.DRN = DRN
            if 'DRN' not in MODELS.module_dict:  # nobody has registered another
                MODELS.register_module(module=DRN)


def supply_drn() -> None:
    """The wheel lacks a package that ``mmaction.models`` imports: a placeholder is imported.

    Its finder is the last one, so that an installed package is preferred.
    """
    sys.meta_path.append(_DRNFinder())


def alias_importlib_metadata() -> None:
    """MMAction2 imports the backport ``importlib_metadata`` but does not require it."""
    try:
        import importlib_metadata  # noqa: F401
    except ImportError:
        sys.modules['importlib_metadata'] = importlib.metadata


@on_import('mmaction.utils.dependency')
def leave_out_vindlu(dependency: ModuleType) -> None:
    """With any transformers, MMAction2 needs timm and transformers < 5 for VindLU: without these, VindLU is left out.

    It then is the placeholder that it is without transformers.
    """
    if importlib.util.find_spec('timm') is None or dependency.satisfy_requirement('transformers>=5'):
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]
