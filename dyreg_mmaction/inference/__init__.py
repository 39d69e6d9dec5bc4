"""Running trained models: faster, on inputs of all kinds, elsewhere."""

from typing import TYPE_CHECKING

from .fusion import fuse_for_inference

if TYPE_CHECKING:
    from .inferencer import RegionInferencer

__all__ = ['RegionInferencer', 'fuse_for_inference']


def __getattr__(name: str) -> type:
    """Imports the inferencer when it is asked for: it needs MMAction2's data sets and visualisers."""
    if name == 'RegionInferencer':
        from .inferencer import RegionInferencer

        return RegionInferencer
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
