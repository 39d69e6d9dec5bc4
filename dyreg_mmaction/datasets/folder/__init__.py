"""Prepare your own videos: read a folder or a table, check every file, split, and write the lists."""

from .directions import sided_classes
from .overview import imbalance, overview, similar_classes
from .prepare import Prepared, prepare_videos, read_source

__all__ = ['Prepared', 'imbalance', 'overview', 'prepare_videos', 'read_source', 'sided_classes', 'similar_classes']
