"""Datasets and transforms; importing this registers them."""

from .boxes import LoadBoxes, LoadObjects, WithBoxes
from .mini_something import MiniSomething
from .something import TSMCrop
from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['LoadBoxes', 'LoadObjects', 'MiniSomething', 'MultiSyncMNIST', 'SyncMNIST', 'TSMCrop', 'WithBoxes']
