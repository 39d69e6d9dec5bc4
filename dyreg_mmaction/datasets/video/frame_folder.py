"""Folders of numbered frames, such as 00001.jpg, 00002.jpg, ..., read like a video of constant rate."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np

from .timeline import Timeline

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


class FrameFolder(NamedTuple):
    """Numbered frames without gaps.

    Attributes:
        folder (str): The folder.
        template (str): Template of file names, such as 'img_{:05}.jpg'.
        first (int): Number of the first frame.
        num_frames (int): Number of frames.
    """

    folder: str
    template: str
    first: int
    num_frames: int

    def timeline(self, fps: float) -> Timeline:
        """Return the times of the frames at a rate."""
        return Timeline(np.arange(self.num_frames + 1) / fps, 'images', False, np.zeros(1, int), 0.0)

    def to_rgb(self, number: int) -> np.ndarray:
        """Return frame ``number``, from 0 on, as RGB (H, W, 3); the same pixels as RawFrameDecode.

        Raises:
            ValueError: If it cannot be decoded.
        """
        path = Path(self.folder, self.template.format(self.first + number))
        try:
            pixels = mmcv.imfrombytes(path.read_bytes(), channel_order='rgb')
        except Exception as error:  # cv2.error of an empty file
            raise ValueError(f'{path} cannot be read as a picture: {error}') from error
        if pixels is None:
            raise ValueError(f'{path} cannot be read as a picture')
        return pixels


def find_frames(folder: str | os.PathLike) -> FrameFolder:
    """Find the frames of a folder.

    Raises:
        ValueError: If it has no files that are named with numbers, or a number is missing.
    """
    folder = os.fspath(folder)
    frames = _numbered(os.listdir(folder))
    if not frames:
        raise ValueError(f'the folder {folder!r} has no frames; name them with numbers, such as 00001.jpg')
    first = frames[0]
    template = f'{_literal(first[1])}{{:0{len(first[2])}}}{_literal(first[3])}'
    found = FrameFolder(folder, template, int(first[2]), len(frames))
    wanted = {template.format(found.first + index) for index in range(len(frames))}
    if missing := wanted - {name[0] for name in frames}:
        raise ValueError(
            f'the folder {folder!r} has {len(frames)} frames from {first[0]} on, but {min(missing)} is missing; number '
            'the frames without gaps'
        )
    return found


def has_frames(names: Iterable[str]) -> bool:
    """Return whether the files of a folder are at least two numbered pictures."""
    return len(_numbered(names)) > 1


def _numbered(names: Iterable[str]) -> list[re.Match]:
    """Return matches of prefix, number and extension in the order of the numbers; 9.jpg is before 10.jpg."""
    found = [re.fullmatch(r'(.*?)(\d+)(\.\w+)', name) for name in names if not name.startswith('.')]
    frames = [name for name in found if name and name[3].lower() in IMAGES]
    return sorted(frames, key=lambda name: (name[1], int(name[2])))


def _literal(text: str) -> str:
    return text.replace('{', '{{').replace('}', '}}')
