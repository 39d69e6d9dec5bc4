"""Videos decoded by a library of one's choice, and samples that cannot be read replaced."""

from .neighbours import WithNeighbours
from .replace_damaged import build_replacing, replace_damaged
from .transforms import VideoDecode, VideoInit

__all__ = ['VideoDecode', 'VideoInit', 'WithNeighbours', 'build_replacing', 'replace_damaged']
