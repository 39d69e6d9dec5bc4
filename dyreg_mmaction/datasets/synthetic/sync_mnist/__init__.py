"""SyncMNIST and MultiSyncMNIST: clips of digits, some of which move in sync."""

from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['MultiSyncMNIST', 'SyncMNIST']
