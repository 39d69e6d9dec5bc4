"""Generated datasets."""

from .mini_something import MiniSomething
from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['MiniSomething', 'MultiSyncMNIST', 'SyncMNIST']
