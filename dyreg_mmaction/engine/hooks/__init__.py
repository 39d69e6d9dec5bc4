"""Hooks of a run."""

from .attach_regions import AttachRegionsHook

__all__ = ['AttachRegionsHook']
