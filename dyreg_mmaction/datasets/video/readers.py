"""Reading of video frames, in order or by number, with decord, PyAV or torchcodec."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .timeline import Content, Timeline, display_matrix, import_av, map_file, open_container, read_timeline


class Reader(Protocol):
    """An open video."""

    def read(self, numbers: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Return the frames (H, W, 3), RGB, of these numbers in the given order; numbers may repeat."""


def open_video(content: bytes, decoder: str = 'decord', num_threads: int = 1) -> tuple[Reader, Timeline]:
    """Open a video file. All decoders return the same frames.

    decord and torchcodec seek. If seeking may return other frames (rotation, edit lists, frames that are decoded after
    a keyframe and shown before it, ...; see :class:`.Timeline`), PyAV decodes the video from the start.

    Args:
        content (bytes): Content of the file.
        decoder (str): 'decord', 'pyav' or 'torchcodec'.
        num_threads (int): Threads of the decoder.

    Returns:
        tuple[Reader, Timeline]: The reader and the list of frames.

    Raises:
        ValueError: If the file contains no video, is truncated, or has a codec that the decoder does not support.
    """
    timeline = read_timeline(content)
    kind = READERS[decoder] if timeline.seekable else PyAVReader
    return kind(content, timeline, num_threads), timeline


def read_frames(path: Path | str, num_threads: int = 1) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the times and frames of a video in order, with one frame in memory.

    The frames equal those of :func:`open_video`.

    Args:
        path (Path | str): The file.
        num_threads (int): Threads of the decoder.

    Yields:
        tuple[float, np.ndarray]: Seconds after the first frame, and the frame (H, W, 3), RGB.

    Raises:
        ValueError: If the file contains no video or is truncated; after the last decodable frame, if frames are
            missing.
    """
    with map_file(path) as content:
        times = read_timeline(content).times[:-1].tolist()
        with closing(decode(content, num_threads)) as frames:
            for number, time in enumerate(times):
                if (convert := next(frames, None)) is None:
                    raise ValueError(f'only {number} of {len(times)} frames can be decoded')
                yield time, convert()


class DecordReader:
    """Reader with decord, which is fast but does not support AV1."""

    def __init__(self, content: bytes, timeline: Timeline, num_threads: int = 1) -> None:
        import decord

        try:
            self.video = decord.VideoReader(BytesIO(content), num_threads=num_threads)
        except decord.DECORDError as error:
            raise ValueError(
                f"decord cannot read this {timeline.codec} video; set decoder='pyav' (--cfg-options decoder=pyav in "
                'configs of dyreg_mmaction)'
            ) from error

    def read(self, numbers: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Return frames by number, see :class:`Reader`."""
        return list(self.video.get_batch(numbers).asnumpy())


class PyAVReader:
    """Reader with PyAV, which supports FFmpeg's codecs. It decodes from the start and applies the display matrix."""

    def __init__(self, content: bytes, timeline: Timeline, num_threads: int = 1) -> None:
        self.content, self.num_threads = content, num_threads

    def read(self, numbers: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Return frames by number, see :class:`Reader`."""
        wanted, frames = set(np.asarray(numbers).tolist()), {}
        for number, convert in enumerate(decode(self.content, self.num_threads)):
            if number in wanted:
                frames[number] = convert()
            if len(frames) == len(wanted):
                break
        if len(frames) < len(wanted):
            raise ValueError(f'only {len(frames)} of {len(wanted)} frames can be decoded')
        return [frames[number] for number in np.asarray(numbers).tolist()]


def decode(content: Content, num_threads: int = 1) -> Generator[Callable[[], np.ndarray], None, None]:
    """Yield, for each displayed frame, a function that returns it as RGB (H, W, 3), rotated and mirrored."""
    form = None
    with open_container(content) as container:
        stream = container.streams.best('video')
        stream.codec_context.thread_count = num_threads
        for frame in container.decode(stream):
            form = form or Form.of(frame)
            yield partial(form.to_rgb, frame)


class Form(NamedTuple):
    """Display size and display matrix (2, 2) of the frames of a video.

    Both are read from the first frame only: PyAV keeps a frame whose matrix was read until the next garbage collection.
    """

    width: int
    height: int
    matrix: np.ndarray

    @classmethod
    def of(cls, frame: Any) -> 'Form':
        """Read the form of a PyAV frame."""
        return cls(frame.width, frame.height, display_matrix(frame))

    def to_rgb(self, frame: Any) -> np.ndarray:
        """Convert a PyAV frame to pixels (H, W, 3), RGB."""
        size = dict(width=self.width, height=self.height)
        pixels = _progressive(frame).to_ndarray(format='rgb24', interpolation='BICUBIC', **size)
        return np.ascontiguousarray(_orient(pixels, self.matrix))


def _progressive(frame: Any) -> Any:
    """Mark a frame as progressive, because PyAV, unlike other decoders, converts interlaced frames by field."""
    if not frame.interlaced_frame:
        return frame
    graph = import_av().filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    graph.link_nodes(source, graph.add('setfield', 'prog'), graph.add('buffersink')).configure()
    graph.push(frame)
    return graph.pull()


def _orient(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rotate and mirror an image (H, W, C) by multiples of 90 degrees: (x, y) is shown at (x, y) @ matrix."""
    if abs(matrix[0, 1]) > abs(matrix[0, 0]):
        pixels, matrix = pixels.swapaxes(0, 1), matrix[::-1]
    return pixels[:: -1 if matrix[1, 1] < 0 else 1, :: -1 if matrix[0, 0] < 0 else 1]


class TorchcodecReader:
    """Reader with torchcodec, which requires FFmpeg's libraries and the torch version that it was built for."""

    def __init__(self, content: bytes, timeline: Timeline, num_threads: int = 1) -> None:
        from torchcodec.decoders import VideoDecoder

        self.video = VideoDecoder(content, dimension_order='NHWC', num_ffmpeg_threads=num_threads)

    def read(self, numbers: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Return frames by number, see :class:`Reader`."""
        return list(self.video.get_frames_at(np.asarray(numbers).tolist()).data.numpy())


READERS: dict[str, Callable[[bytes, Timeline, int], Reader]] = dict(
    decord=DecordReader, pyav=PyAVReader, torchcodec=TorchcodecReader
)
