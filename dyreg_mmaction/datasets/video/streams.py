"""Frames of a video one after another, each decoded once: of files, cameras, network streams and pipes."""

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
CAMERAS = dict(linux=('v4l2', '/dev/video{}'), darwin=('avfoundation', '{}'))  # format of FFmpeg, name of a device
JUMP = 16  # frames below which decoding them takes no longer than a seek


class Frame(NamedTuple):
    """A decoded frame.

    Attributes:
        number (int): Its number in the video.
        time (float): When it appears, in seconds after the first one.
        picture (av.VideoFrame): Its pixels, not yet converted.
        form (Form): How it is shown.
    """

    number: int
    time: float
    picture: Any
    form: Form

    def to_rgb(self) -> np.ndarray:
        """Pixels (H, W, 3), RGB, as the frame is shown."""
        return self.form.to_rgb(self.picture)


def is_live(source: str) -> bool:
    """Whether a source is read while it runs: a camera's number, '-' for the standard input, an address or a pipe."""
    path = Path(source)
    return source == STDIN or '://' in source or path.is_fifo() or source.isdigit() and not path.exists()


def read_stream(source: str) -> Iterator[Frame]:
    """Frames of a camera, an address, a pipe or a file, as they come.

    Raises:
        ValueError: If it cannot be opened, or, after the frames before it, at what cannot be decoded.
    """
    with _opened(source) as (container, stream):
        form, start = None, None
        for number, picture in enumerate(container.decode(stream)):
            form = form or Form.of(picture)
            time = number / float(stream.average_rate or 25) if picture.time is None else picture.time
            start = time if start is None else start
            yield Frame(number, time - start, picture, form)


def select_frames(path: str | os.PathLike, timeline: Timeline, numbers: np.ndarray) -> Iterator[Frame]:
    """Frames of a file by their numbers, in increasing order; groups of pictures that hold none of them are skipped.

    Raises:
        ValueError: At a frame that cannot be decoded.
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
    """Frames with their numbers: by their time stamps where a seek may come before."""
    if not timeline.seekable:
        yield from enumerate(pictures)
    for picture in pictures:
        yield int(np.searchsorted(timeline.times, picture.pts * base - timeline.start)), picture


@contextmanager
def _opened(source: str | os.PathLike) -> Iterator[tuple[Any, Any]]:
    """Container and video stream of a source, whose errors are raised as one kind with its name."""
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
        with open(name, 'rb') as file, av.open(file) as container:  # FFmpeg takes "a:b" for an address
            yield container
        return
    if name.isdigit():
        kind, device = CAMERAS.get(sys.platform, ('v4l2', '/dev/video{}'))
        with av.open(device.format(name), format=kind) as container:
            yield container
        return
    with av.open(sys.stdin.buffer if name == STDIN else name) as container:
        yield container
