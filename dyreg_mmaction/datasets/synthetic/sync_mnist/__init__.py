"""SyncMNIST and MultiSyncMNIST: clips of digits, some of which move in step."""

from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['MultiSyncMNIST', 'SyncMNIST']
