"""Video files: reading, checking and writing them, and the transforms that decode them in a pipeline.

- :func:`.read_frames`: all frames of a file with their times, with one frame in memory.
- :func:`.open_video`: frames by number, with a choice of decoders; :func:`.read_timeline`: only the number of frames
  and their times.
- :func:`.check_video`: whether a file is complete and can be decoded.
- :func:`.write_video`: write frames to .mp4 or .webm.
"""

from .checks import check_video
from .limit_sides import LimitSides
from .neighbours import WithNeighbours
from .readers import open_video, read_frames
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
    'read_frames',
    'read_timeline',
    'write_video',
]
