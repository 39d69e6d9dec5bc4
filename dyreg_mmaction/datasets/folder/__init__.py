"""Prepare your own videos: read a folder or a table, check every file, split, and write the lists."""

from .directions import sided_classes
from .overview import imbalance, overview, similar_classes
from .prepare import Prepared, prepare_videos, read_source
from .small_copies import are_large, write_small_copies

__all__ = [
    'Prepared',
    'are_large',
    'imbalance',
    'overview',
    'prepare_videos',
    'read_source',
    'sided_classes',
    'similar_classes',
    'write_small_copies',
]
