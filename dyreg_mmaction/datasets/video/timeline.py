"""The frames of a video as its container lists them: how many are shown, and when."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .matroska import is_complete, is_rotated

Content = bytes | mmap  # of a file, in memory or mapped
INDEXED = ('mov', 'matroska')  # containers in which a seek finds its keyframe; "mov" is MP4 too
PLAIN = ('yuv420p', 'yuvj420p')  # what all decoders convert to the same RGB, if both sides are even
UPRIGHT = ('vp8', 'vp9')  # codecs whose frames are rotated or mirrored by the container only
VP8_SHOWN = 1 << 4  # bit of the first byte of a VP8 frame


class Timeline(NamedTuple):
    """The frames of a video that are shown, in order, without those that an edit list (a trimmed MP4) or VP8 hides.

    Attributes:
        times (ndarray[T + 1]): When each frame appears and when the last one ends, in seconds after the first.
        codec (str): Name of the codec.
        seekable (bool): Whether every decoder finds the same frames by seeking: no frame is hidden, rotated or
            mirrored, all have a common pixel format and width, and each can be decoded from the keyframe before it.
        keyframes (ndarray[K]): Numbers of the keyframes; of a video that is not seekable the first frame only.
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
        """Frames per second, on average."""
        return self.num_frames / float(self.times[-1])


def read_timeline(source: Content | Path | str) -> Timeline:
    """List the frames of a video file. At most the first one is decoded, because decoders report rotation by frame.

    Args:
        source (Content | Path | str): The file, or its path; by its path it is never in memory as a whole.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds no video, cannot be opened, or ends before its header says.
    """
    if not isinstance(source, Path | str):
        return _read_timeline(source, source)
    with map_file(source) as content, open(source, 'rb') as file:  # pages of a map that were read stay in memory
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
    except (av.FFmpegError, ValueError) as error:  # ValueError: fields of a file that contradict each other
        raise ValueError(f'undecodable: {error}') from error
    packets = np.array(rows, float).reshape(-1, 4)  # start, end, is keyframe, is shown
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
    """Whether all decoders return the same pixels. A codec context, without rotation, is given for upright frames."""
    if picture is None or picture.format is None or picture.width % 2 or picture.height % 2:
        return False
    row = -(-picture.width // 32) * 32  # of decord's buffer, which it mistakes for one of more channels
    copied = row == picture.width or 3 * row % picture.width > 0
    return copied and picture.format.name in PLAIN and np.array_equal(display_matrix(picture), np.eye(2))


def display_matrix(picture: Any) -> np.ndarray:
    """How a frame is to be rotated and mirrored (2, 2), as (x, y) @ matrix; a codec context has no matrix."""
    for data in getattr(picture, 'side_data', ()):
        if data.type.name == 'DISPLAYMATRIX':
            return np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2] / 65536
    return np.eye(2)


def _describe(packet: Any, codec: str) -> tuple[float, float, bool, bool]:
    """Start and end in seconds, whether it is a keyframe, and whether it is shown."""
    start, base = packet.dts if packet.pts is None else packet.pts, float(packet.time_base)
    start = float('nan') if start is None else start * base
    hidden = packet.is_discard or (codec == 'vp8' and not memoryview(packet)[0] & VP8_SHOWN)
    return start, start + (packet.duration or 0) * base, packet.is_keyframe, not hidden


def _order(starts: np.ndarray, ends: np.ndarray, rate: float) -> np.ndarray:
    """When frames are shown, (T + 1), from their packets in the order of decoding."""
    if np.isnan(starts).any():  # a raw stream
        return np.arange(len(starts) + 1) / (rate or 25)
    last = starts.argmax()
    times = np.sort(starts)
    step = np.median(np.diff(times)) if len(times) > 1 else 1 / (rate or 25)
    return np.append(times, ends[last] if ends[last] > times[-1] else times[-1] + max(step, 1e-3))


def _ends_early(times: np.ndarray, declared: float, rate: float) -> bool:
    """Whether more than a frame lacks until the declared end; older files are not exact."""
    longest = max(1 / rate if rate else 0, *np.diff(times[:-1]), 0)  # of a variable rate, the longest step
    return declared - (times[-1] - min(times[0], 0)) > 1.5 * longest


def _follows_keyframes(starts: np.ndarray, keyframe: np.ndarray) -> bool:
    """Whether all that is decoded after a keyframe is shown after it, and no two frames at once."""
    keys = keyframe == 1
    earliest = np.minimum.accumulate(starts[::-1])[::-1]
    return bool(keys[0]) and np.array_equal(starts[keys], earliest[keys]) and len(np.unique(starts)) == len(starts)


def _duration(container: Any, stream: Any) -> float:
    """The length of the video stream in seconds as the header has it, 0 if it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if 'DURATION' in stream.metadata:  # Matroska's, as hours:minutes:seconds
        hours, minutes, seconds = map(float, stream.metadata['DURATION'].split(':'))
        return 3600 * hours + 60 * minutes + seconds
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0  # sound may be longer


@contextmanager
def map_file(path: Path | str) -> Iterator[Content]:
    """The content of a file, of which only what is used is read."""
    with open(path, 'rb') as file:
        if not Path(path).stat().st_size:  # cannot be mapped
            yield b''
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            yield content


def open_container(content: Content | BinaryIO) -> Any:
    """The content of a video file as a container of PyAV, to be closed."""
    if isinstance(content, bytes):
        return import_av().open(BytesIO(content))
    content.seek(0)
    return import_av().open(content)


def import_av() -> Any:
    """PyAV, which an extra installs.

    Raises:
        ImportError: If it is missing.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("PyAV is needed to read and write videos here: pip install 'dyreg_mmaction[av]'") from error
    return av
