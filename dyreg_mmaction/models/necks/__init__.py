"""Necks: modules on the last feature map of a backbone."""

from .region_neck import RegionNeck

__all__ = ['RegionNeck']
