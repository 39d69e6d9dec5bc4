"""Number and times of the frames of a video, as listed by its container."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .matroska import is_complete, is_rotated

Content = bytes | mmap  # content of a file, in memory or mapped
INDEXED = ('mov', 'matroska')  # containers in which seeks find the keyframe; "mov" includes MP4
PLAIN = ('yuv420p', 'yuvj420p')  # pixel formats that all decoders convert to the same RGB if both sides are even
UPRIGHT = ('vp8', 'vp9')  # codecs whose frames only the container can rotate or mirror
VP8_SHOWN = 1 << 4  # bit of the first byte of a displayed VP8 frame


class Timeline(NamedTuple):
    """The displayed frames of a video in order, without frames hidden by an edit list (a trimmed MP4) or by VP8.

    Attributes:
        times (ndarray[T + 1]): Start of each frame and end of the last one, in seconds after the first frame.
        codec (str): Name of the codec.
        seekable (bool): Whether every decoder finds the same frames by seeking: no frame is hidden, rotated or
            mirrored, all have a common pixel format and width, and each can be decoded from the preceding keyframe.
        keyframes (ndarray[K]): Numbers of the keyframes; only the first frame if the video is not seekable.
        start (float): Time stamp of the first frame in the file, in seconds.
    """

    times: np.ndarray
    codec: str
    seekable: bool
    keyframes: np.ndarray
    start: float

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self.times) - 1

    @property
    def fps(self) -> float:
        """Mean number of frames per second."""
        return self.num_frames / float(self.times[-1])


def read_timeline(source: Content | Path | str) -> Timeline:
    """List the frames of a video file. At most the first frame is decoded, because decoders report rotation per frame.

    Args:
        source (Content | Path | str): The content of the file, or its path. A path is read without loading the whole
            file into memory.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file contains no video, cannot be opened, or is shorter than its header declares.
    """
    if not isinstance(source, Path | str):
        return _read_timeline(source, source)
    with map_file(source) as content, open(source, 'rb') as file:  # pages read through a map stay in memory
        return _read_timeline(content, file)


def _read_timeline(content: Content, file: Content | BinaryIO) -> Timeline:
    av = import_av()
    if not content:
        raise ValueError('empty')
    try:
        with open_container(file) as container:
            stream = container.streams.best('video')
            if stream is None:
                raise ValueError('no video')
            stream.codec_context.thread_count = 1
            kind, codec = container.format.name, stream.codec_context.codec.canonical_name
            upright = codec in UPRIGHT and kind.startswith('matroska') and not is_rotated(content)
            picture, rows = stream.codec_context if upright else None, []
            for packet in container.demux(stream):
                if picture is None:
                    picture = next(iter(packet.decode()), None)
                if packet.size:
                    rows.append(_describe(packet, codec))
            declared, rate = _duration(container, stream), float(stream.average_rate or 0)
            plain = _is_plain(picture)
    except (av.FFmpegError, ValueError) as error:  # ValueError: inconsistent fields of a file
        raise ValueError(f'undecodable: {error}') from error
    packets = np.array(rows, float).reshape(-1, 4)  # start, end, keyframe, shown
    shown = packets[packets[:, 3] == 1]
    if picture is None or not len(shown):
        raise ValueError('undecodable: no frames')
    times = _order(shown[:, 0], shown[:, 1], rate)
    if _ends_early(times, declared, rate) and not (kind.startswith('matroska') and is_complete(content)):
        raise ValueError(f'truncated: {len(shown)} of about {round(declared * rate)} frames')
    seekable = (
        kind.startswith(INDEXED)
        and plain
        and len(shown) == len(packets) > 1  # decord fails on a single frame
        and _follows_keyframes(packets[:, 0], packets[:, 2])
    )
    keyframes = np.searchsorted(times, np.sort(shown[shown[:, 2] == 1, 0])) if seekable else np.zeros(1, int)
    return Timeline(times - times[0], codec, seekable, keyframes, float(times[0]))


def _is_plain(picture: Any) -> bool:
    """Return whether all decoders return the same pixels. For frames without rotation, pass a codec context."""
    if picture is None or picture.format is None or picture.width % 2 or picture.height % 2:
        return False
    row = -(-picture.width // 32) * 32  # decord's padded row length, which it can mistake for more channels
    copied = row == picture.width or 3 * row % picture.width > 0
    return copied and picture.format.name in PLAIN and np.array_equal(display_matrix(picture), np.eye(2))


def display_matrix(picture: Any) -> np.ndarray:
    """Return the display matrix (2, 2) of a frame, applied as (x, y) @ matrix; the identity for a codec context."""
    for data in getattr(picture, 'side_data', ()):
        if data.type.name == 'DISPLAYMATRIX':
            return np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2] / 65536
    return np.eye(2)


def _describe(packet: Any, codec: str) -> tuple[float, float, bool, bool]:
    """Return start and end of a packet in seconds, whether it is a keyframe, and whether it is displayed."""
    start, base = packet.dts if packet.pts is None else packet.pts, float(packet.time_base)
    start = float('nan') if start is None else start * base
    hidden = packet.is_discard or (codec == 'vp8' and not memoryview(packet)[0] & VP8_SHOWN)
    return start, start + (packet.duration or 0) * base, packet.is_keyframe, not hidden


def _order(starts: np.ndarray, ends: np.ndarray, rate: float) -> np.ndarray:
    """Return the display times (T + 1) from packets in decoding order."""
    if np.isnan(starts).any():  # a raw stream
        return np.arange(len(starts) + 1) / (rate or 25)
    last = starts.argmax()
    times = np.sort(starts)
    step = np.median(np.diff(times)) if len(times) > 1 else 1 / (rate or 25)
    return np.append(times, ends[last] if ends[last] > times[-1] else times[-1] + max(step, 1e-3))


def _ends_early(times: np.ndarray, declared: float, rate: float) -> bool:
    """Return whether more than one frame is missing before the declared end. Older files are not exact."""
    longest = max(1 / rate if rate else 0, *np.diff(times[:-1]), 0)  # the longest step if the rate varies
    return declared - (times[-1] - min(times[0], 0)) > 1.5 * longest


def _follows_keyframes(starts: np.ndarray, keyframe: np.ndarray) -> bool:
    """Return whether frames decoded after a keyframe are displayed after it, and no two frames at the same time."""
    keys = keyframe == 1
    earliest = np.minimum.accumulate(starts[::-1])[::-1]
    return bool(keys[0]) and np.array_equal(starts[keys], earliest[keys]) and len(np.unique(starts)) == len(starts)


def _duration(container: Any, stream: Any) -> float:
    """Return the duration of the video stream declared by the header in seconds, 0 if it is missing."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if 'DURATION' in stream.metadata:  # Matroska's, as hours:minutes:seconds
        hours, minutes, seconds = map(float, stream.metadata['DURATION'].split(':'))
        return 3600 * hours + 60 * minutes + seconds
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0  # audio may be longer


@contextmanager
def map_file(path: Path | str) -> Iterator[Content]:
    """Map a file into memory, so that only the accessed pages are read."""
    with open(path, 'rb') as file:
        if not Path(path).stat().st_size:  # cannot be mapped
            yield b''
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            yield content


def open_container(content: Content | BinaryIO) -> Any:
    """Open the content of a video file as a PyAV container; the caller closes it."""
    if isinstance(content, bytes):
        return import_av().open(BytesIO(content))
    content.seek(0)
    return import_av().open(content)


def import_av() -> Any:
    """Import PyAV, an optional dependency.

    Raises:
        ImportError: If PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("PyAV is not installed; run pip install 'dyreg_mmaction[av]'") from error
    return av
