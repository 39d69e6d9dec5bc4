"""Boxes of many videos, read and followed once and kept in files that all processes map into memory and share."""

import hashlib
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock
from mmengine.logging import print_log

from .files import Frame, list_files, read_videos
from .tracks import match_boxes

VERSION = 1  # of the layout below and of the matching: another one makes new files
BATCH = 256  # videos that are followed side by side
LARGE = 100 << 20  # bytes of JSON that take so long that a word is said
OUTSIDE = 2  # pixels that a box may reach beyond the frame before its scale is doubted
# of many videos some box comes near to the lower edge: none does where the frames were annotated in a smaller size
MANY, LOW, LOW_IN_FEW = 8, 0.8, 0.6

VIDEO = np.dtype([('frame', 'i8'), ('num_frames', 'i4'), ('box', 'i8'), ('num_nodes', 'i4'), ('reach', 'f4', 2)])
COLUMNS = dict(numbers=('i4', ()), boxes=('f4', (4,)), seen=('?', ()))


class Tracks(NamedTuple):
    """What is known of a video.

    Attributes:
        numbers (np.ndarray): Numbers (F,) of its annotated frames, counted from 0, in order.
        boxes (np.ndarray): Box (F, N, 4) of each node, x1, y1, x2, y2 in 0..1 of the frame: as :func:`.match_boxes`
            follows them, nan for a node that never has one.
        seen (np.ndarray): Whether it was found (F, N) in that frame.
    """

    numbers: np.ndarray
    boxes: np.ndarray
    seen: np.ndarray


class BoxTable:
    """The boxes of each video, followed from frame to frame, of files in Something-Else's form (:func:`.read_videos`).

    A video has the boxes of the longest name that its path without extension ends in: those of ``a/3`` if there are
    some, else those of ``3``.

    What is read and followed is kept in a folder ``.dyreg_boxes`` beside the source, or where nothing can be written
    there in ``$XDG_CACHE_HOME/dyreg_mmaction`` (``~/.cache``), or in the folder of temporary files; it is made by one
    process while others wait, appears when it is complete, and is made anew when the source changes. All processes
    share the memory that it takes.

    Args:
        paths (str | Sequence[str]): The file or files, and folders of files. Of a video that is in several files, the
            last counts.
        num_boxes (int, optional): Number of nodes N: of each frame the boxes of highest score are followed. By default
            all boxes are, and a video has as many nodes as objects are told apart, in the order in which they appear.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If a file is not of this form.
    """

    def __init__(self, paths: str | Sequence[str], num_boxes: int | None = None) -> None:
        self.paths = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        self.folder = _find_or_build(self.paths, num_boxes)

    def __contains__(self, video: Path | str) -> bool:
        """Whether there are annotations of this video, be they empty; its extension does not matter."""
        return self._find([video])[0] >= 0

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Those of these videos that are not in the table."""
        return [video for video, row in zip(videos, self._find(videos), strict=True) if row < 0]

    def check_unique(self, videos: Sequence[Path | str]) -> None:
        """Check that no two of these videos would have the same boxes.

        Raises:
            ValueError: If two would, as only their folders or extensions differ.
        """
        first: dict[int, Path | str] = {}
        for video, row in zip(videos, self._find(videos).tolist(), strict=True):
            other = first.setdefault(row, video)
            if row >= 0 and Path(other) != Path(video):
                name = self._names[row].decode()
                raise ValueError(
                    f'{", ".join(map(str, self.paths))} has boxes of {name!r}, which may be {other} or {video}; name '
                    'videos in it by their folders too (as in "folder/name"), or rename one'
                )

    def __getstate__(self) -> dict:
        return dict(paths=self.paths, folder=self.folder)  # arrays are mapped anew, not copied

    def read(self, video: Path, size: tuple[float, float], sure: bool = False) -> Tracks:
        """The tracks of a video.

        Args:
            video (Path): Its file or folder of frames.
            size (tuple[float, float]): Height and width of the annotated frames, where the file does not say it.
            sure (bool): Whether this height is known and not only that of the video.

        Raises:
            ValueError: If the video is not in the file (where nothing was found, it is there with an empty list), or
                its boxes do not fit into frames of this size.
        """
        row = self._find([video])[0]
        if row < 0:
            where = ', '.join(map(str, self.paths))
            raise ValueError(
                f'{where} has no boxes of video {video.stem!r}; run tools/data/extract_boxes.py for it, or leave it out'
            )
        entry = self._videos[row]
        frames = slice(entry['frame'], entry['frame'] + entry['num_frames'])
        shape = (entry['num_frames'], entry['num_nodes'])
        flat = slice(entry['box'], entry['box'] + shape[0] * shape[1])
        boxes, seen = self._columns['boxes'][flat].reshape(*shape, 4), self._columns['seen'][flat].reshape(shape)
        if not np.isnan(entry['reach'][0]):
            self._check_scale(video.stem, entry['reach'], size, sure)
            boxes = boxes / np.array([size[1], size[0]] * 2)
        return Tracks(self._columns['numbers'][frames], boxes, seen)

    def doubt_height(self, height: float) -> str | None:
        """What speaks against frames of this height, in pixels, where the source does not say how large they are."""
        if not 0 < self._lowest < (LOW if self._has_many else LOW_IN_FEW) * height:
            return None
        return (
            f'no box of {", ".join(map(str, self.paths))} reaches below y = {self._lowest}, but frames are taken to be '
            f'{height:g} pixels high; set ann_height to the height of the annotated frames, by the boxes {self._lowest}'
        )

    def _check_scale(self, video: str, reach: np.ndarray, size: tuple[float, float], sure: bool) -> None:
        height, width = size
        if (reach > np.array([width, height]) + OUTSIDE).any():
            raise ValueError(
                f'boxes of video {video!r} reach to x = {reach[0]:g}, y = {reach[1]:g}, in frames taken to be '
                f'{width:g} x {height:g}; set ann_height to the height of the annotated frames, by the boxes of all '
                f'videos {self._lowest}'
            )
        if not sure and (doubt := self.doubt_height(height)):
            doubt += f' (or to {height:g}, if this is right)'
            if self._has_many:
                raise ValueError(doubt)
            warnings.warn(doubt, stacklevel=3)

    def _find(self, videos: Sequence[Path | str]) -> np.ndarray:
        """The row of each video, -1 where there is none."""
        rows = np.full(len(videos), -1)
        if not len(self._names):
            return rows
        parts = [(*PurePath(video).parts[:-1], PurePath(video).stem) for video in videos]
        for length in range(max(map(len, parts), default=0), 0, -1):
            left = [i for i in np.flatnonzero(rows < 0) if len(parts[i]) >= length]
            names = np.array(['/'.join(parts[i][-length:]).encode() for i in left], dtype='S')
            found = np.searchsorted(self._names, names).clip(max=len(self._names) - 1)
            rows[left] = np.where(self._names[found] == names, found, -1)
        return rows

    @cached_property
    def _names(self) -> np.ndarray:
        return np.load(self.folder / 'names.npy', mmap_mode='r')

    @cached_property
    def _videos(self) -> np.ndarray:
        return np.load(self.folder / 'videos.npy', mmap_mode='r')

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return {
            name: np.memmap(path, dtype, 'r').reshape(-1, *shape) if path.stat().st_size else np.empty((0, *shape))
            for name, (dtype, shape) in COLUMNS.items()
            for path in [self.folder / name]
        }

    @cached_property
    def _has_many(self) -> bool:
        """Whether the boxes of many videos are in pixels of frames of unknown size."""
        return int((self._videos['reach'][:, 1] > 0).sum()) >= MANY

    @cached_property
    def _lowest(self) -> int:
        """How far down their boxes reach, in pixels."""
        return int(np.ceil(np.nanmax(self._videos['reach'][:, 1], initial=0)))


def _find_or_build(paths: list[Path], num_boxes: int | None) -> Path:
    """The folder of the table, made if need be."""
    files = list_files(paths)
    sources = hashlib.blake2b('/'.join(path.name for path in paths).encode(), digest_size=4).hexdigest()
    stem, key = f'{paths[0].stem}-{sources}-{num_boxes or "all"}', _fingerprint(files, num_boxes)
    places = [paths[0].resolve().parent / '.dyreg_boxes', *_caches()]
    for place in places:
        if (folder := place / f'{stem}-{key}').is_dir() and _is_trusted(place):
            return folder
    writable = next(filter(_is_writable, places), None)
    if writable is None:
        raise OSError(f'cannot write to any of {", ".join(map(str, places))}; set XDG_CACHE_HOME to a writable folder')
    folder = writable / f'{stem}-{key}'
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(writable / f'{stem}.lock'))
        except (OSError, NotImplementedError) as error:  # a file system without locks: several processes may build it
            warnings.warn(f'{writable} cannot be locked: {error}', stacklevel=2)
        if not folder.is_dir():
            _build(files, num_boxes, folder)
            for old in writable.glob(f'{stem}-*'):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)  # who has mapped it keeps it
    return folder


def _caches() -> list[Path]:
    """Where tables go that cannot be beside their source."""
    home = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return [home / 'dyreg_mmaction', Path(tempfile.gettempdir()) / f'dyreg_mmaction-{os.getuid()}']


def _is_writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return _is_trusted(place)
    except OSError:
        return False


def _is_trusted(place: Path) -> bool:
    """Whether it is this user's or of who owns the folder around it, not a stranger's in a folder open to all."""
    return place.stat().st_uid in (os.getuid(), place.parent.stat().st_uid)


def _fingerprint(files: list[Path], num_boxes: int | None) -> str:
    """Changes with the names, sizes, times and, as far as can be read in no time, contents of the files."""
    digest = hashlib.blake2b(f'{VERSION} {num_boxes}'.encode(), digest_size=8)
    for file in files:
        status = file.stat()
        digest.update(f'{file.name} {status.st_size} {status.st_mtime_ns}\n'.encode())
    for file in files[:64]:
        with file.open('rb') as content:
            for start in range(0, (size := file.stat().st_size) + 1, max(size // 64, 1 << 16)):
                content.seek(start)
                digest.update(content.read(1 << 16))
    return digest.hexdigest()


def _build(files: list[Path], num_boxes: int | None, folder: Path) -> None:
    """Write the table's files to a folder beside, which gets its name when they are complete."""
    size, start = sum(file.stat().st_size for file in files), time.monotonic()
    say = (lambda text: print_log(f'{text} ({time.monotonic() - start:.0f} s)', 'current')) if size > LARGE else str
    say(f'reading {size / 1e9:.1f} GB of boxes, once for all runs, into {folder}')
    unfinished = Path(tempfile.mkdtemp(prefix='.new-', dir=folder.parent))
    try:
        videos: dict[str, np.ndarray] = {}
        with ExitStack() as stack:
            columns = [stack.enter_context((unfinished / name).open('wb')) for name in COLUMNS]
            for batch in _batches(chain.from_iterable(map(read_videos, files))):
                videos.update(_append(batch, num_boxes, *columns))
                if len(videos) % (80 * BATCH) < BATCH:
                    say(f'{len(videos)} videos')
        names = sorted(videos, key=str.encode)
        np.save(unfinished / 'names.npy', np.array([name.encode() for name in names], dtype='S'))
        np.save(unfinished / 'videos.npy', np.array([videos[name] for name in names], dtype=VIDEO))
        unfinished.chmod(0o755)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else that of a process that was faster
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f'{len(videos)} videos, done')


def _batches(videos: Iterator[tuple[str, list[Frame]]]) -> Iterator[list[tuple[str, list[Frame]]]]:
    while batch := list(islice(videos, BATCH)):
        yield batch


def _append(
    batch: list[tuple[str, list[Frame]]], num_boxes: int | None, numbers: BinaryIO, boxes: BinaryIO, seen: BinaryIO
) -> dict[str, np.ndarray]:
    """Follow the boxes of some videos and append them to the files; the videos' rows."""
    lengths = np.array([len(frames) for _, frames in batch])
    most = np.array([max((len(frame.boxes[:num_boxes]) for frame in frames), default=0) for _, frames in batch])
    scales, reaches = zip(*(_scales(name, frames) for name, frames in batch), strict=True)
    found, scale = np.full((lengths.sum(), most.max(), 4), np.nan), np.concatenate(scales)[:, None]  # (F,K,4), (F,1,4)
    for row, frame in zip(found, (frame for _, frames in batch for frame in frames), strict=True):
        row[: len(frame.boxes[:num_boxes])] = frame.boxes[:num_boxes] or np.empty((0, 4))
    # told apart without end, an object need not take the place of one that has left
    num_nodes = np.full_like(most, num_boxes) if num_boxes else 2 * most
    tracks, taken = match_boxes(found / scale, lengths, num_nodes)
    tracks *= np.where(np.isnan(np.repeat(np.array(reaches)[:, :1], lengths, axis=0))[..., None], 1, scale)
    rows, first = {}, 0
    for (name, frames), nodes, reach in zip(batch, num_nodes, reaches, strict=True):
        part = slice(first, first := first + len(frames))
        order = np.arange(nodes) if num_boxes else _order_of_appearance(taken[part])
        row = np.zeros((), dtype=VIDEO)
        row['frame'], row['num_frames'] = numbers.tell() // 4, len(frames)
        row['box'], row['num_nodes'], row['reach'] = seen.tell(), len(order), reach
        numbers.write(np.array([frame.number for frame in frames], dtype='i4').tobytes())
        boxes.write(tracks[part, order].astype('f4').tobytes())
        seen.write((taken[part, order] >= 0).tobytes())
        rows[name] = row
    return rows


def _scales(name: str, frames: list[Frame]) -> tuple[np.ndarray, tuple[float, float]]:
    """Width and height, twice, of each frame (F, 4), or else how far boxes reach, and that reach, nan if not needed."""
    sizes = [frame.size for frame in frames if frame.boxes]
    if None not in sizes:
        return np.array([(frame.size or (1, 1)) * 2 for frame in frames]).reshape(-1, 4), (np.nan, np.nan)
    if any(sizes):
        raise ValueError(f'of video {name!r} some frames have width and height, others not')
    reach = np.array([box[2:] for frame in frames for box in frame.boxes]).max(0).clip(min=1)
    return np.tile(reach, (len(frames), 2)), tuple(reach)


def _order_of_appearance(taken: np.ndarray) -> np.ndarray:
    """The nodes that ever have a box: by the frame in which they have the first, then by its place there."""
    seen = taken >= 0
    nodes = np.flatnonzero(seen.any(0))
    if not len(nodes):
        return nodes
    first = seen[:, nodes].argmax(0)
    return nodes[np.lexsort((taken[first, nodes], first))]
