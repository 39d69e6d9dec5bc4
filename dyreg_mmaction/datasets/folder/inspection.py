"""Properties of a video file that are checked before training."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..video.checks import check_video
from ..video.readers import open_video
from ..video.timeline import read_timeline


class VideoFacts(NamedTuple):
    """A video file.

    Attributes:
        num_frames: Number of frames.
        seconds: Duration.
        width, height: Size of a displayed frame, in pixels.
        codec: Name of the codec.
        decoder: 'decord', or 'pyav' if decord cannot decode the file.
        problem: Short description of why the file cannot be used, '' if it can.
        num_bytes: Size of the file.
    """

    num_frames: int = 0
    seconds: float = 0
    width: int = 0
    height: int = 0
    codec: str = ''
    decoder: str = 'decord'
    problem: str = ''
    num_bytes: int = 0


def describe_video(path: Path) -> VideoFacts:
    """Decode a video completely and return its properties."""
    try:
        found = check_video(path)
    except OSError as error:
        return VideoFacts(problem=f'unreadable: {error.strerror or error}')
    if found.problem:
        return VideoFacts(found.num_frames, problem=found.problem)
    if found.num_frames < 2:
        return VideoFacts(found.num_frames, problem='one frame')
    content = path.read_bytes()
    timeline = read_timeline(content)
    height, width, decoder = 0, 0, 'decord'
    for decoder in ('decord', 'pyav'):
        try:
            height, width = open_video(content, decoder)[0].read(np.array([0]))[0].shape[:2]
            break
        except ValueError:  # decord does not support the codec
            continue
    facts = VideoFacts(found.num_frames, float(timeline.times[-1]), width, height, timeline.codec, decoder)
    return facts._replace(num_bytes=len(content))
