"""Writing of frames to video files and GIFs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from dyreg_mmaction.files import atomic_write

from .timeline import import_av

CODECS = {'.mp4': 'libx264', '.webm': 'libvpx-vp9'}
OPTIONS = {
    '.mp4': dict(crf='20'),
    # libvpx's fastest settings: 36 frames take about 30 ms
    '.webm': {'crf': '32', 'b': '0', 'deadline': 'realtime', 'cpu-used': '8', 'lag-in-frames': '0', 'threads': '1'},
}


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float, crf: int | None = None) -> None:
    """Write at least one frame to a video file, see :func:`video_writer`."""
    with video_writer(path, fps, crf) as add:
        for frame in frames:
            add(frame)


@contextmanager
def video_writer(path: Path, fps: float, crf: int | None = None) -> Iterator[Callable[[np.ndarray], None]]:
    """Write H.264 to .mp4 or VP9 to .webm, frame by frame. The file appears when it is complete.

    The same frames give the same bytes in .webm. Frames with odd sides are padded by a row or column in .mp4, because
    H.264 requires even sides.

    Args:
        path (Path): The file.
        fps (float): Frames per second.
        crf (int, optional): Constant rate factor; lower is better. Defaults to 20 for .mp4 and 32 for .webm.

    Yields:
        Callable: Adds a frame (H, W, 3), RGB, uint8; all must have the size of the first one.

    Raises:
        ImportError: If PyAV is not installed.
        ValueError: If the extension is not .mp4 or .webm.
    """
    av, kind = import_av(), path.suffix
    if kind not in CODECS:
        raise ValueError(f'{path} has an unsupported extension; rename it to {" or ".join(CODECS)}')
    options = OPTIONS[kind] if crf is None else dict(OPTIONS[kind], crf=str(crf))
    with (
        atomic_write(path) as file,
        av.open(str(file), 'w', format=kind[1:], container_options=dict(fflags='+bitexact')) as container,
    ):
        stream = container.add_stream(
            CODECS[kind], rate=Fraction(fps).limit_denominator(1001), options=options, pix_fmt='yuv420p'
        )
        started = False

        def add(frame: np.ndarray) -> None:
            nonlocal started
            if kind == '.mp4':
                frame = np.pad(frame, ((0, len(frame) % 2), (0, frame.shape[1] % 2), (0, 0)), 'edge')
            if not started:
                stream.height, stream.width = frame.shape[:2]
                started = True
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')))

        yield add
        container.mux(stream.encode())


def write_gif(path: Path, frames: np.ndarray, times: np.ndarray, duration: float) -> None:
    """Write a GIF that displays each frame (T, H, W, 3) from its time, in seconds, to that of the next."""
    ends = np.append(times[1:], duration)
    lasts = np.maximum(np.round((ends - times) * 100), 2).astype(int) * 10  # milliseconds; GIF counts in hundredths
    first, *rest = [Image.fromarray(frame).quantize(128) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=lasts.tolist(), loop=0)


def hold_frames(times: np.ndarray, duration: float, fps: float) -> np.ndarray:
    """Return the index of the frame to display in each frame of a video: the last one that has started."""
    ticks = (np.arange(max(round(duration * fps), 1)) + 0.5) / fps
    return (np.searchsorted(times, ticks, side='right') - 1).clip(0)


def at_rate(frames: Iterable[tuple[float, np.ndarray]], fps: float) -> Iterator[np.ndarray]:
    """Resample frames, given with their end times, to a constant rate by repeating or dropping them."""
    count = 0
    for end, frame in frames:
        while (count + 0.5) / fps < end:
            yield frame
            count += 1
