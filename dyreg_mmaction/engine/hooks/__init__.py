"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .draw_regions import DrawRegionsHook
from .finite import FiniteHook
from .fuse import FuseHook
from .validate_at_start import ValidateAtStartHook
from .watch_regions import WatchRegionsHook

__all__ = ['AttachRegionsHook', 'DrawRegionsHook', 'FiniteHook', 'FuseHook', 'ValidateAtStartHook', 'WatchRegionsHook']
