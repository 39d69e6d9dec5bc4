"""Writing videos and telling whether a video, or a folder of frames, is whole."""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Inspection(NamedTuple):
    """What was found at a path: the number of frames, and what is wrong in a few words ('' if nothing is)."""

    num_frames: int
    problem: str = ''


def write_webm(path: Path, frames: np.ndarray, fps: int) -> None:
    """Encode frames as VP9 in WebM, as Something-Something V2 has them; the file appears only when it is finished.

    The same frames give the same bytes.

    Args:
        path: The file.
        frames: RGB, (T, H, W, 3) uint8.
        fps: Frames per second.
    """
    av = import_av()
    unfinished = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
    try:
        with av.open(str(unfinished), 'w', container_options={'fflags': '+bitexact'}) as container:
            # libvpx's fastest settings: 36 frames take about 30 ms
            options = {'deadline': 'realtime', 'cpu-used': '8', 'lag-in-frames': '0', 'crf': '32', 'b': '0'}
            stream = container.add_stream('libvpx-vp9', rate=fps, options=options)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = 'yuv420p'
            stream.codec_context.thread_count = 1
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
            container.mux(stream.encode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def find_video(path: Path) -> Inspection:
    """Look whether a video file is there, without reading it."""
    if not path.is_file():
        return Inspection(0, 'missing')
    return Inspection(0, '' if path.stat().st_size else 'empty')


def decode_video(path: Path) -> Inspection:
    """Decode a video from end to end; one cut short decodes without an error, but ends before its header says."""
    found = find_video(path)
    return found if found.problem else _inspect(str(path), lambda container, stream: container.decode(stream))


def inspect_video(content: bytes) -> Inspection:
    """Look through a video without decoding it: it cannot be opened, has less than two frames, or is truncated."""
    if not content:
        return Inspection(0, 'empty')
    return _inspect(BytesIO(content), lambda container, stream: container.demux(stream))


def _inspect(file: str | BytesIO, parts: Callable[[Any, Any], Iterable]) -> Inspection:
    """Count the frames, or the packets that hold them, and see whether they reach to the end."""
    av = import_av()
    times: list[float] = []
    try:
        with av.open(file) as container:
            stream = container.streams.best('video')
            if stream is None:
                return Inspection(0, 'undecodable: no video')
            for part in parts(container, stream):
                if part.pts is not None:
                    times.append(float(part.pts * part.time_base))
            duration, fps = _duration(container, stream), float(stream.average_rate or 0)
    except (av.FFmpegError, ValueError) as error:  # ValueError: parts of a file that contradict each other
        return Inspection(len(times), f'undecodable: {error}')
    if len(times) < 2:  # decord finds no frame where there is one
        return Inspection(len(times), f'too short: {len(times)} frame(s)')
    times.sort()
    step = max(1 / fps if fps else 0, *np.diff(times))  # of a variable rate, the longest
    if duration - times[-1] > 2.5 * step:  # the last frame starts a step before the end; older files are less exact
        return Inspection(len(times), f'truncated: {len(times)} of about {round(duration * fps)} frames')
    return Inspection(len(times))


def _duration(container, stream) -> float:
    """The length of the video stream in seconds as the header has it, 0 if it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if 'DURATION' in stream.metadata:  # Matroska's, as hours:minutes:seconds
        hours, minutes, seconds = map(float, stream.metadata['DURATION'].split(':'))
        return 3600 * hours + 60 * minutes + seconds
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0  # sound may be longer


def count_frames(folder: Path) -> Inspection:
    """Count a folder's frames 00001.jpg, 00002.jpg, ... and name the first one that is missing."""
    if not folder.is_dir():
        return Inspection(0, 'missing')
    names = {entry.name for entry in os.scandir(folder) if entry.name.endswith('.jpg')}
    if not names:
        return Inspection(0, 'empty')
    wanted = (f'{number:05}.jpg' for number in range(1, len(names) + 1))
    lost = next((name for name in wanted if name not in names), None)
    if lost == '00001.jpg' and (other := next((name for name in names if name.strip('0') == '1.jpg'), None)):
        return Inspection(len(names), f'misnamed: {other} should be {lost}')
    return Inspection(len(names), f'missing: {lost}' if lost else '')


def decode_frames(folder: Path) -> Inspection:
    """Count a folder's frames and decode each."""
    from PIL import Image  # unlike OpenCV, it does not accept half a JPEG

    found = count_frames(folder)
    if found.problem:
        return found
    for number in range(1, found.num_frames + 1):
        name = f'{number:05}.jpg'
        try:
            with Image.open(folder / name) as image:
                image.load()
        except OSError as error:
            return Inspection(found.num_frames, f'undecodable: {name}: {error}')
    return found


def import_av():
    try:
        import av
    except ImportError as error:
        raise ImportError("PyAV is needed to read and write videos here: pip install 'dyreg_mmaction[av]'") from error
    return av
