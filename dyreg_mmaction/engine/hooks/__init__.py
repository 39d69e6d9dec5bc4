"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .check_config import CheckConfigHook
from .damaged_samples import DamagedSamples
from .draw_regions import DrawRegionsHook
from .finite import FiniteHook
from .fuse import FuseHook
from .interruption import SaveAndExitHook
from .portion import PortionHook
from .validate_at_start import ValidateAtStartHook
from .watch_regions import WatchRegionsHook

__all__ = [
    'AttachRegionsHook',
    'CheckConfigHook',
    'DamagedSamples',
    'DrawRegionsHook',
    'FiniteHook',
    'FuseHook',
    'PortionHook',
    'SaveAndExitHook',
    'ValidateAtStartHook',
    'WatchRegionsHook',
]
