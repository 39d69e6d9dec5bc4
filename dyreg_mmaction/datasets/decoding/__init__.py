"""Videos decoded by a library of one's choice, and samples that cannot be read replaced."""

from .neighbours import WithNeighbours
from .replace_damaged import ReplaceDamaged
from .transforms import VideoDecode, VideoInit

__all__ = ['ReplaceDamaged', 'VideoDecode', 'VideoInit', 'WithNeighbours']
