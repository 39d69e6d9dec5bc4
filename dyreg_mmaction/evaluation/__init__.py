"""Metrics of regions and explanations of predictions."""

from .explanation import Explanation, explain
from .grad_cam import grad_cam
from .object_distance import ObjectDistance
from .replacing_regions import regions_of_another_clip, regions_of_whole_frame
from .write_predictions import WritePredictions

__all__ = [
    'Explanation',
    'ObjectDistance',
    'WritePredictions',
    'explain',
    'grad_cam',
    'regions_of_another_clip',
    'regions_of_whole_frame',
]
