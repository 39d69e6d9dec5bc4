"""Running trained models: faster, on files of all kinds, elsewhere."""

from .fusion import fuse_for_inference

__all__ = ['fuse_for_inference']
