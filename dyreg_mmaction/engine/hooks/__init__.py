"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .draw_regions import DrawRegionsHook

__all__ = ['AttachRegionsHook', 'DrawRegionsHook']
