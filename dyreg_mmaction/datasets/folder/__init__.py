"""Your own videos: reading a folder or a table, checking every file, splitting, and writing the lists."""

from .directions import sided_classes
from .overview import imbalance, overview
from .prepare import Prepared, prepare_videos, read_source

__all__ = ['Prepared', 'imbalance', 'overview', 'prepare_videos', 'read_source', 'sided_classes']
