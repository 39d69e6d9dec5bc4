"""Sequential reading of frames of files, folders, cameras, network streams and pipes; each frame is decoded once."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .frame_folder import find_frames
from .readers import Form
from .timeline import Timeline, import_av, read_timeline

STDIN = '-'
CAMERAS = dict(linux=('v4l2', '/dev/video{}'), darwin=('avfoundation', '{}'))  # FFmpeg format, device name
TIMEOUT = 15  # seconds that a network stream may send nothing
JUMP = 16  # number of skipped frames above which a seek is faster than decoding


class Frame(NamedTuple):
    """A decoded frame.

    Attributes:
        number (int): Number of the frame in the video.
        time (float): Display time in seconds after the first frame.
        picture (Any): The frame before conversion to RGB: of PyAV, or its number in a folder of frames.
        form (Any): What converts it: display size and matrix, or the folder.
    """

    number: int
    time: float
    picture: Any
    form: Any

    def to_rgb(self) -> np.ndarray:
        """Convert the frame to pixels (H, W, 3), RGB."""
        return self.form.to_rgb(self.picture)


def is_live(source: str) -> bool:
    """Return whether a source is a live stream: a camera number, '-' for the standard input, a URL or a pipe."""
    return source == STDIN or '://' in source or Path(source).is_fifo() or is_camera(source)


def is_camera(source: str) -> bool:
    """Return whether a source is the number of a camera, and not a file with such a name."""
    return source.isdecimal() and not Path(source).exists()


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


def find_timeline(path: str | os.PathLike, fps: float = 25) -> Timeline:
    """List the frames of a file or, at ``fps`` frames per second, of a folder of numbered frames.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it cannot be read.
    """
    if os.path.isdir(path):
        return find_frames(path).timeline(fps)
    try:
        return read_timeline(os.fspath(path))
    except ValueError as error:
        raise ValueError(f'{path} cannot be read: {error}') from error


def select_frames(path: str | os.PathLike, timeline: Timeline, numbers: np.ndarray) -> Iterator[Frame]:
    """Yield frames of a file or folder by number, in increasing order.

    Groups of pictures without any of these frames are skipped.

    Raises:
        ValueError: If a frame cannot be decoded.
    """
    wanted = np.unique(numbers)
    if os.path.isdir(path):
        folder = find_frames(path)
        yield from (Frame(number, float(timeline.times[number]), number, folder) for number in wanted.tolist())
        return
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
        raise ValueError(_explain(os.fspath(source), error)) from error


def _explain(source: str, error: Exception) -> str:
    reason = getattr(error, 'strerror', None) or error
    if isinstance(error, import_av().error.ExitError):
        reason = f'no data for {TIMEOUT} s'
    if is_camera(source):
        return f'camera {source} ({_device(source)[0]}) cannot be read: {reason}; pass the number of a connected camera'
    if isinstance(error, import_av().InvalidDataError) and (source == STDIN or Path(source).is_fifo()):
        reason = (
            f'{reason}; in a pipe, MP4 needs its index at the start (ffmpeg -movflags +faststart), or use .ts or .mkv'
        )
    return f'{"standard input" if source == STDIN else source} cannot be read: {reason}'


@contextmanager
def _container(av: Any, source: str | os.PathLike) -> Iterator[Any]:
    name = os.fspath(source)
    if not is_live(name):
        with open(name, 'rb') as file, av.open(file) as container:  # FFmpeg mistakes "a:b" for a URL
            yield container
        return
    with _open_live(av, name) as container:
        yield container


def _open_live(av: Any, name: str) -> Any:
    if is_camera(name):
        device, kind = _device(name)
        return av.open(device, format=kind)
    if name == STDIN:
        if sys.stdin.isatty():
            raise ValueError('it is a terminal; pipe a video into it')
        return av.open(sys.stdin.buffer)
    return av.open(name, timeout=TIMEOUT if '://' in name else None)


def _device(number: str) -> tuple[str, str]:
    """Return name and FFmpeg format of a camera."""
    kind, device = CAMERAS.get(sys.platform, CAMERAS['linux'])
    return device.format(number), kind
