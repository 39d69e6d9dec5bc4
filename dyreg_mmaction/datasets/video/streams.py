"""Sequential reading of frames from files, cameras, network streams and pipes; each frame is decoded once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .readers import Form
from .timeline import Timeline, import_av

STDIN = '-'
CAMERAS = dict(linux=('v4l2', '/dev/video{}'), darwin=('avfoundation', '{}'))  # FFmpeg format, device name
JUMP = 16  # number of skipped frames above which a seek is faster than decoding


class Frame(NamedTuple):
    """A decoded frame.

    Attributes:
        number (int): Number of the frame in the video.
        time (float): Display time in seconds after the first frame.
        picture (av.VideoFrame): The frame before conversion to RGB.
        form (Form): Display size and matrix.
    """

    number: int
    time: float
    picture: Any
    form: Form

    def to_rgb(self) -> np.ndarray:
        """Convert the frame to pixels (H, W, 3), RGB."""
        return self.form.to_rgb(self.picture)


def is_live(source: str) -> bool:
    """Return whether a source is a live stream: a camera number, '-' for the standard input, a URL or a pipe."""
    path = Path(source)
    return source == STDIN or '://' in source or path.is_fifo() or source.isdigit() and not path.exists()


def read_stream(source: str) -> Iterator[Frame]:
    """Yield the frames of a camera, a URL, a pipe or a file as they arrive.

    Raises:
        ValueError: If the source cannot be opened, or, after the frames before it, if a frame cannot be decoded.
    """
    with _opened(source) as (container, stream):
        form, start = None, None
        for number, picture in enumerate(container.decode(stream)):
            form = form or Form.of(picture)
            time = number / float(stream.average_rate or 25) if picture.time is None else picture.time
            start = time if start is None else start
            yield Frame(number, time - start, picture, form)


def select_frames(path: str | os.PathLike, timeline: Timeline, numbers: np.ndarray) -> Iterator[Frame]:
    """Yield frames of a file by number, in increasing order; groups of pictures without any of them are skipped.

    Raises:
        ValueError: If a frame cannot be decoded.
    """
    wanted = np.unique(numbers)
    keyframes = timeline.keyframes[np.searchsorted(timeline.keyframes, wanted, side='right') - 1]
    jumps = np.flatnonzero(np.diff(wanted, prepend=-1) - (wanted - keyframes) > JUMP)
    with _opened(path) as (container, stream):
        form, found = None, 0
        for run in np.split(wanted, jumps):
            if not len(run):
                continue
            if found in jumps:
                time = timeline.start + timeline.times[keyframes[found]]
                container.seek(round(time / stream.time_base), stream=stream)
            left = set(run.tolist())
            for number, picture in _numbered(container.decode(stream), timeline, float(stream.time_base)):
                form = form or Form.of(picture)
                if number in left:
                    left.remove(number)
                    found += 1
                    yield Frame(number, float(timeline.times[number]), picture, form)
                if not left:
                    break
            if left:
                raise ValueError(f'frame {min(left)} of {timeline.num_frames} is missing')


def _numbered(pictures: Iterator[Any], timeline: Timeline, base: float) -> Iterator[tuple[int, Any]]:
    """Yield frames with their numbers, which are derived from time stamps if the video is seekable."""
    if not timeline.seekable:
        yield from enumerate(pictures)
    for picture in pictures:
        yield int(np.searchsorted(timeline.times, picture.pts * base - timeline.start)), picture


@contextmanager
def _opened(source: str | os.PathLike) -> Iterator[tuple[Any, Any]]:
    """Open a source and return its container and video stream; errors are raised as ValueError with its name."""
    av = import_av()
    try:
        with _container(av, source) as container:
            stream = container.streams.best('video')
            if stream is None:
                raise ValueError('no video')
            stream.thread_type = 'AUTO'
            yield container, stream
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f'{source} cannot be read: {error}') from error


@contextmanager
def _container(av: Any, source: str | os.PathLike) -> Iterator[Any]:
    name = os.fspath(source)
    if not is_live(name):
        with open(name, 'rb') as file, av.open(file) as container:  # FFmpeg mistakes "a:b" for a URL
            yield container
        return
    if name.isdigit():
        kind, device = CAMERAS.get(sys.platform, ('v4l2', '/dev/video{}'))
        with av.open(device.format(name), format=kind) as container:
            yield container
        return
    with av.open(sys.stdin.buffer if name == STDIN else name) as container:
        yield container
