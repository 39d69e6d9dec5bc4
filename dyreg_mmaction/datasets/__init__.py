"""Datasets and transforms; importing this registers them."""

from .boxes import LoadBoxes, WithBoxes
from .crops import TSMCrop
from .mini_something import MiniSomething
from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['LoadBoxes', 'MiniSomething', 'MultiSyncMNIST', 'SyncMNIST', 'TSMCrop', 'WithBoxes']
