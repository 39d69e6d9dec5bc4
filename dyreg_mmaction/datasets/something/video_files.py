"""Writing videos and telling whether a video, or a folder of frames, is whole."""

import os
from pathlib import Path
from typing import NamedTuple

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
    av = _import_av()
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
    av = _import_av()
    found = find_video(path)
    if found.problem:
        return found
    num_frames, end = 0, 0.0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                num_frames += 1
                end = max(end, frame.time or 0.0)
            duration, fps = _duration(container, stream), float(stream.average_rate or 0)
    except (av.FFmpegError, IndexError) as error:
        return Inspection(num_frames, f'undecodable: {error}')
    if num_frames < 2:  # decord finds no frame where there is one
        return Inspection(num_frames, f'too short: {num_frames} frame')
    if fps and duration - end > 2.5 / fps:  # the last frame starts 1 / fps before the end; older files are less exact
        return Inspection(num_frames, f'truncated: {num_frames} of about {round(duration * fps)} frames')
    return Inspection(num_frames)


def _duration(container, stream) -> float:
    """The length of the video stream in seconds as the header has it, 0 if it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if 'DURATION' in stream.metadata:  # Matroska's, as hours:minutes:seconds
        hours, minutes, seconds = map(float, stream.metadata['DURATION'].split(':'))
        return 3600 * hours + 60 * minutes + seconds
    return (container.duration or 0) / 1e6


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


def _import_av():
    try:
        import av
    except ImportError as error:
        raise ImportError("PyAV is needed to read and write videos here: pip install 'dyreg_mmaction[av]'") from error
    return av
