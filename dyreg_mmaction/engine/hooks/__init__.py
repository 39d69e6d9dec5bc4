"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .draw_regions import DrawRegionsHook
from .fuse import FuseHook

__all__ = ['AttachRegionsHook', 'DrawRegionsHook', 'FuseHook']
