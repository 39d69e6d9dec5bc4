"""Something-Something: its official files made into MMAction2's lists, and the crops of its test."""

from .tsm_crop import TSMCrop

__all__ = ['TSMCrop']
