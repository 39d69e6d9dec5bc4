"""Necks: modules on the feature map that a backbone ends in."""

from .region_neck import RegionNeck

__all__ = ['RegionNeck']
