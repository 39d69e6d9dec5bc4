"""Checks that a video file or a folder of frames is complete."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from .readers import decode
from .timeline import import_av, map_file, read_timeline


class Inspection(NamedTuple):
    """Result of a check: the number of frames, and a short description of the problem ('' if there is none)."""

    num_frames: int
    problem: str = ''


def find_video(path: Path) -> Inspection:
    """Check that a video file exists and is not empty, without reading it."""
    if not path.is_file():
        return Inspection(0, 'missing')
    return Inspection(0, '' if path.stat().st_size else 'empty')


def check_video(path: Path) -> Inspection:
    """Decode a video completely and compare the number of frames, as a truncated file may decode without an error."""
    found = find_video(path)
    if found.problem:
        return found
    with map_file(path) as content:
        try:
            num_frames = read_timeline(content).num_frames
        except ValueError as error:
            return Inspection(0, str(error))
        try:
            decoded = sum(1 for _ in decode(content))
        except (import_av().FFmpegError, ValueError) as error:
            return Inspection(num_frames, f'undecodable: {error}')
    return Inspection(num_frames, '' if decoded >= num_frames else f'undecodable: {decoded} of {num_frames} frames')


def file_state(path: Path) -> str:
    """Return a hash that changes when a file, or a file in a folder, is written, replaced or renamed; '' if missing."""
    if path.is_file():
        entries = [(path.name, path.stat())]
    elif path.is_dir():  # the folder's own time does not change when a file in it is overwritten
        entries = sorted((entry.name, entry.stat()) for entry in os.scandir(path))
    else:
        return ''
    lines = [f'{name} {status.st_size} {status.st_mtime_ns}\n' for name, status in entries]
    return hashlib.blake2b(''.join(lines).encode(errors='surrogateescape'), digest_size=12).hexdigest()


def count_frames(folder: Path) -> Inspection:
    """Count a folder's frames 00001.jpg, 00002.jpg, ... and report the first missing one."""
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


def check_frames(folder: Path) -> Inspection:
    """Count a folder's frames and decode each of them."""
    from PIL import Image  # unlike OpenCV, it rejects truncated JPEG files

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
