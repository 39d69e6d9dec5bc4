"""Datasets and transforms; importing this registers them."""

from .boxes import LoadBoxes, WithBoxes
from .decoding import ReplaceDamaged, VideoDecode, VideoInit
from .mini_something import MiniSomething
from .something import TSMCrop
from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = [
    'LoadBoxes',
    'MiniSomething',
    'MultiSyncMNIST',
    'ReplaceDamaged',
    'SyncMNIST',
    'TSMCrop',
    'VideoDecode',
    'VideoInit',
    'WithBoxes',
]
