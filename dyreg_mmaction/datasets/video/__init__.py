"""Video files: reading, checking and writing them, and the transforms that decode them in a pipeline."""

from .checks import check_video
from .limit_sides import LimitSides
from .neighbours import WithNeighbours
from .readers import open_video
from .timeline import read_timeline
from .transforms import VideoDecode, VideoInit
from .writers import write_video

__all__ = [
    'LimitSides',
    'VideoDecode',
    'VideoInit',
    'WithNeighbours',
    'check_video',
    'open_video',
    'read_timeline',
    'write_video',
]
