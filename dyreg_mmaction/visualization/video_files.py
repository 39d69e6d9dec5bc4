"""Drawn clips as files that play at their own speed."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image


def hold_frames(times: np.ndarray, duration: float, fps: float) -> np.ndarray:
    """Which of the frames seen at ``times`` to show in each frame of a video: the last one that has begun."""
    ticks = (np.arange(max(round(duration * fps), 1)) + 0.5) / fps
    return (np.searchsorted(times, ticks, side='right') - 1).clip(0)


def write_mp4(path: Path, frames: np.ndarray, times: np.ndarray, duration: float, fps: float) -> None:
    """Write H.264 at the clip's own frame rate, each frame (T, H, W, 3) held until the next.

    Raises:
        ImportError: If PyAV is missing.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("PyAV is needed to write MP4: pip install 'dyreg_mmaction[av]', or choose gif") from error
    height, width = (side // 2 * 2 for side in frames.shape[1:3])  # halved colour needs even sides
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.options = dict(crf='20')
        for index in hold_frames(times, duration, fps):
            image = np.ascontiguousarray(frames[index, :height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())


def write_gif(path: Path, frames: np.ndarray, times: np.ndarray, duration: float) -> None:
    """Write a GIF that shows each frame (T, H, W, 3) as long as it lasts."""
    ends = np.append(times[1:], duration)
    lasts = np.maximum(np.round((ends - times) * 100), 2).astype(int) * 10  # milliseconds; GIF counts in hundredths
    first, *rest = [Image.fromarray(frame).quantize(128) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=lasts.tolist(), loop=0)
