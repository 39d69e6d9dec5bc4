"""Datasets and transforms; importing this registers them."""

from .sync_mnist import MultiSyncMNIST, SyncMNIST

__all__ = ['MultiSyncMNIST', 'SyncMNIST']
