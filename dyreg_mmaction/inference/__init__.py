"""Inference with trained models: fusion, inferencer, long videos and export."""

from typing import TYPE_CHECKING

from .fusion import fuse_for_inference

if TYPE_CHECKING:
    from .inferencer import RegionInferencer

__all__ = ['RegionInferencer', 'fuse_for_inference']


def __getattr__(name: str) -> type:
    """Import the inferencer on first use, because it imports MMAction2's datasets and visualizers."""
    if name == 'RegionInferencer':
        from .inferencer import RegionInferencer

        return RegionInferencer
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
