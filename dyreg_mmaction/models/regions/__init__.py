"""Where nodes look: modules from a feature map (B, T, C, H, W) to one region per node and frame."""

from .dynamic import DynamicRegions

__all__ = ['DynamicRegions']
