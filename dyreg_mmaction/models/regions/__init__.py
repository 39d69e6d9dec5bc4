"""Where nodes look: modules from a feature map (B, T, C, H, W) to one region per node and frame."""

from .dynamic import DynamicRegions
from .fixed import FixedRegions

__all__ = ['DynamicRegions', 'FixedRegions']
