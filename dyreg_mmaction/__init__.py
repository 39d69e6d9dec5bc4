"""DyReg-GNN and its relatives for MMAction2: ``custom_imports = dict(imports=['dyreg_mmaction'])`` is all it takes.

Datasets, hooks, metrics and visualizers are imported by the registries when a config first asks for one.
"""

from . import compat

compat.apply_repairs()  # before anything of MMAction2 is imported

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
