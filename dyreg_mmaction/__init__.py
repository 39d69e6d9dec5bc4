"""DyReg-GNN and RSTG for MMAction2. Add ``custom_imports = dict(imports=['dyreg_mmaction'])`` to a config.

The registries import datasets, hooks, metrics and visualizers when a config first refers to one.
"""

from . import compat

compat.apply_repairs()  # before any module of MMAction2 is imported

from . import checkpoints, models, registry  # noqa: E402
from .inference import fuse_for_inference  # noqa: E402
from .models import plug, record_regions  # noqa: E402
from .ops import Regions  # noqa: E402

__version__ = '0.1.0'

__all__ = [
    'Regions',
    '__version__',
    'checkpoints',
    'fuse_for_inference',
    'models',
    'plug',
    'record_regions',
    'registry',
]
