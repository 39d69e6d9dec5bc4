"""Metrics of regions and explanations of predictions."""

from .explanation import Explanation, explain
from .grad_cam import grad_cam
from .object_distance import ObjectDistance
from .region_probe import RegionProbe
from .replacing_regions import ReplacedRegions
from .write_predictions import WritePredictions

__all__ = [
    'Explanation',
    'ObjectDistance',
    'RegionProbe',
    'ReplacedRegions',
    'WritePredictions',
    'explain',
    'grad_cam',
]
