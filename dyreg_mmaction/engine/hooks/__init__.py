"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .validate_at_start import ValidateAtStartHook
from .watch_regions import WatchRegionsHook

__all__ = ['AttachRegionsHook', 'ValidateAtStartHook', 'WatchRegionsHook']
