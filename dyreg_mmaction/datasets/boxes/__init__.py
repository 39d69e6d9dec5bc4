"""Boxes of objects, of annotators or of a detector, that travel with a clip through the pipeline."""

from .load_boxes import LoadBoxes
from .load_objects import LoadObjects
from .with_boxes import WithBoxes

__all__ = ['LoadBoxes', 'LoadObjects', 'WithBoxes']
