"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .draw_regions import DrawRegionsHook
from .validate_at_start import ValidateAtStartHook

__all__ = ['AttachRegionsHook', 'DrawRegionsHook', 'ValidateAtStartHook']
