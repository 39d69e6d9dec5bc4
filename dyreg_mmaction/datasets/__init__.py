"""Datasets and transforms. Importing this package registers them."""

from .boxes import LoadBoxes, LoadObjects, WithBoxes
from .replace_damaged import build_replacing, replace_damaged
from .samplers import StreamSampler
from .something import TSMCrop
from .synthetic import MiniSomething, MultiSyncMNIST, SyncMNIST
from .video import LimitSides, VideoDecode, VideoInit, WithNeighbours

__all__ = [
    'LimitSides',
    'LoadBoxes',
    'LoadObjects',
    'MiniSomething',
    'MultiSyncMNIST',
    'StreamSampler',
    'SyncMNIST',
    'TSMCrop',
    'VideoDecode',
    'VideoInit',
    'WithBoxes',
    'WithNeighbours',
    'build_replacing',
    'replace_damaged',
]
