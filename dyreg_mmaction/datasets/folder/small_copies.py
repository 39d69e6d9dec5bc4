"""Small copies of large training videos, so that large frames are decoded once and not in every epoch.

A copy has the frames of its video after the ``Resize`` of the pipeline. Validation and test read the videos themselves.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmaction.datasets.transforms import Resize

from dyreg_mmaction.files import atomic_write

from ..video.journal import check_all
from ..video.readers import read_frames
from ..video.timeline import read_timeline
from ..video.writers import write_video
from .inspection import VideoFacts
from .lists import DELIMITER
from .prepare import Prepared

RATIO = 4  # copies pay off if the videos have at least this many times their pixels
QUALITY = 10  # constant rate factor of H.264


class Copied(NamedTuple):
    """Result of a copy: the number of frames. ``problem`` is always '', because checked videos are copied."""

    num_frames: int
    problem: str = ''


def are_large(videos: Iterable[VideoFacts], short_side: int) -> bool:
    """Return whether videos have at least 4 times the pixels of copies with this short side."""
    pixels = [(found.num_frames * found.width * found.height, min(found.width, found.height)) for found in videos]
    return sum(all_ for all_, _ in pixels) >= RATIO * sum(all_ * (short_side / side) ** 2 for all_, side in pixels)


def write_small_copies(prepared: Prepared, folder: Path, short_side: int, workers: int) -> None:
    """Write copies of all training videos and their list, train.txt. Copies of unchanged videos are kept.

    Args:
        prepared (Prepared): The videos.
        folder (Path): Folder of the copies.
        short_side (int): Short side of a copy in pixels.
        workers (int): Number of processes.
    """
    folder.mkdir(exist_ok=True)
    training = [entry for entry in prepared.entries if prepared.splits[entry.name] == 'train']
    paths = {entry.name: prepared.listing.path(entry.name) for entry in training}
    copies = {name: _copy_of(path, folder) for name, path in paths.items()}
    copy = partial(copy_video, folder=folder, short_side=short_side)
    check_all(copy, paths, folder / 'copied.tsv', workers, Copied, 'Copying large videos')
    labels = {name: number for number, name in enumerate(prepared.classes)}
    lines = [f'{copies[entry.name].name}{DELIMITER}{labels[entry.label]}\n' for entry in training]
    with atomic_write(folder / 'train.txt') as part:
        part.write_text(''.join(lines), encoding='utf-8')


def copy_video(path: Path, folder: Path, short_side: int) -> Copied:
    """Write a small copy of a video."""
    resize, timeline, number = Resize(scale=(-1, short_side)), read_timeline(path), 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal number
        for _, frame in read_frames(path):
            number += 1
            yield resize(dict(imgs=[frame], img_shape=frame.shape[:2], modality='RGB'))['imgs'][0]

    write_video(_copy_of(path, folder), frames(), timeline.fps, QUALITY)
    return Copied(number)


def _copy_of(path: Path, folder: Path) -> Path:
    return folder / f'{hashlib.blake2b(str(path).encode(errors="surrogateescape"), digest_size=12).hexdigest()}.mp4'
