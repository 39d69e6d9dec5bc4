"""Visualization of regions and predictions."""

from .clip import RegionClip, make_clip
from .drawing import draw_clip
from .sheet import before_and_after, contact_sheet, mean_regions, side_by_side
from .source import KeepSource, keep_source
from .visualizer import RegionVisualizer

__all__ = [
    'KeepSource',
    'RegionClip',
    'RegionVisualizer',
    'before_and_after',
    'contact_sheet',
    'draw_clip',
    'keep_source',
    'make_clip',
    'mean_regions',
    'side_by_side',
]
