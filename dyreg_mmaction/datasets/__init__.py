"""Datasets and transforms; importing this registers them."""

from .boxes import LoadBoxes, LoadObjects, WithBoxes
from .decoding import VideoDecode, VideoInit, WithNeighbours
from .limit_sides import LimitSides
from .mini_something import MiniSomething
from .samplers import StreamSampler
from .something import TSMCrop
from .sync_mnist import MultiSyncMNIST, SyncMNIST

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
]
