"""Hooks of a run."""

from .attach_regions import AttachRegionsHook
from .validate_at_start import ValidateAtStartHook

__all__ = ['AttachRegionsHook', 'ValidateAtStartHook']
