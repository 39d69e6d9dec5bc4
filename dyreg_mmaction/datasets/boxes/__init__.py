"""Object boxes, annotated or detected, that pass through the pipeline together with a clip."""

from .load_boxes import LoadBoxes
from .load_objects import LoadObjects
from .with_boxes import WithBoxes

__all__ = ['LoadBoxes', 'LoadObjects', 'WithBoxes']
