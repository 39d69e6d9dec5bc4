"""Datasets and transforms; importing this registers them."""

from .boxes import LoadBoxes, WithBoxes
from .crops import TSMCrop
from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['LoadBoxes', 'MultiSyncMNIST', 'SyncMNIST', 'TSMCrop', 'WithBoxes']
