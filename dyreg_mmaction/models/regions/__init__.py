"""Region sources: modules from a feature map (B, T, C, H, W) to one region, or one map, per node and frame.

A source with the attribute ``takes_boxes = True`` receives the boxes of each batch, see :func:`use_boxes`.
"""

from .boxes import BoxRegions, use_boxes
from .dynamic import DynamicRegions
from .fixed import FixedRegions
from .keypoints import KeypointRegions
from .semantic import SemanticMaps
from .static import StaticRegions

__all__ = [
    'BoxRegions',
    'DynamicRegions',
    'FixedRegions',
    'KeypointRegions',
    'SemanticMaps',
    'StaticRegions',
    'use_boxes',
]
