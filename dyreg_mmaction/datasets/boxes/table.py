"""Boxes of many videos, read and tracked once, stored in files that all processes map into shared memory."""

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

VERSION = 1  # of the file layout and of the matching; a change rebuilds the files
BATCH = 256  # number of videos that are tracked at once
LARGE = 100 << 20  # bytes of JSON above which progress is logged
OUTSIDE = 2  # pixels by which a box may exceed the frame before its scale is considered wrong
# Among many videos, some box comes close to the lower edge, unless the frames were annotated at a smaller size
MANY, LOW, LOW_IN_FEW = 8, 0.8, 0.6

VIDEO = np.dtype([('frame', 'i8'), ('num_frames', 'i4'), ('box', 'i8'), ('num_nodes', 'i4'), ('reach', 'f4', 2)])
COLUMNS = dict(numbers=('i4', ()), boxes=('f4', (4,)), seen=('?', ()))


class Tracks(NamedTuple):
    """The tracked boxes of a video.

    Attributes:
        numbers (np.ndarray): Numbers (F,) of its annotated frames, counted from 0, in order.
        boxes (np.ndarray): Box (F, N, 4) of each node as (x1, y1, x2, y2) in 0..1 of the frame, tracked by
            :func:`.match_boxes`; nan for a node that never has a box.
        seen (np.ndarray): Whether the node has a box in the frame, (F, N).
    """

    numbers: np.ndarray
    boxes: np.ndarray
    seen: np.ndarray


class BoxTable:
    """Tracked boxes of each video, from files in the format of Something-Else (:func:`.read_videos`).

    A video is looked up by the longest matching suffix of its path without extension: ``a/3`` if the files contain it,
    else ``3``.

    The tracks are cached in a folder ``.dyreg_boxes`` next to the source. If that is not writable,
    ``$XDG_CACHE_HOME/dyreg_mmaction`` (``~/.cache``) or the folder for temporary files is used. One process builds the
    cache while the others wait. It is written atomically and rebuilt when the source changes. All processes share its
    memory.

    Args:
        paths (str | Sequence[str]): Files, or folders of files. If several files contain a video, the last one is used.
        num_boxes (int, optional): Number of nodes N; the boxes with the highest scores of each frame are tracked. None:
            all boxes are tracked, and a video has one node per object, in order of appearance.

    Raises:
        FileNotFoundError: If a file or folder does not exist.
        ValueError: If a file does not have this format.
    """

    def __init__(self, paths: str | Sequence[str], num_boxes: int | None = None) -> None:
        self.paths = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        self.folder = _find_or_build(self.paths, num_boxes)

    def __contains__(self, video: Path | str) -> bool:
        """Return whether the video is annotated, possibly without boxes. Its extension is ignored."""
        return self._find([video])[0] >= 0

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Return the videos that are not in the table."""
        return [video for video, row in zip(videos, self._find(videos), strict=True) if row < 0]

    def check_unique(self, videos: Sequence[Path | str]) -> None:
        """Check that no two of these videos match the same entry.

        Raises:
            ValueError: If two videos do, because only their folders or extensions differ.
        """
        first: dict[int, Path | str] = {}
        for video, row in zip(videos, self._find(videos).tolist(), strict=True):
            other = first.setdefault(row, video)
            if row >= 0 and Path(other) != Path(video):
                name = self._names[row].decode()
                raise ValueError(
                    f'{", ".join(map(str, self.paths))} has boxes of {name!r}, which matches {other} and {video}; add '
                    'the folders to the names in the file (as in "folder/name"), or rename one video'
                )

    def __getstate__(self) -> dict:
        return dict(paths=self.paths, folder=self.folder)  # arrays are mapped again, not copied

    def read(self, video: Path, size: tuple[float, float], sure: bool = False) -> Tracks:
        """Return the tracks of a video.

        Args:
            video (Path): Its file or folder of frames.
            size (tuple[float, float]): Height and width of the annotated frames, used if the file does not provide
                them.
            sure (bool): Whether this height was set by the user, not taken from the video.

        Raises:
            ValueError: If the video is not in the file (a video without objects has an empty list there), or its boxes
                do not fit into frames of this size.
        """
        row = self._find([video])[0]
        if row < 0:
            where = ', '.join(map(str, self.paths))
            raise ValueError(
                f'{where} has no boxes of video {video.stem!r}; run tools/data/extract_boxes.py, or remove the video'
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

    def check_height(self, height: float) -> str | None:
        """Return why this frame height, in pixels, is implausible, or None. Only for sources without frame sizes."""
        if not 0 < self._lowest < (LOW if self._has_many else LOW_IN_FEW) * height:
            return None
        return (
            f'no box of {", ".join(map(str, self.paths))} extends below y = {self._lowest}, but frames are assumed to '
            f'be {height:g} pixels high; set ann_height to the height of the annotated frames (the boxes suggest '
            f'{self._lowest})'
        )

    def _check_scale(self, video: str, reach: np.ndarray, size: tuple[float, float], sure: bool) -> None:
        height, width = size
        if (reach > np.array([width, height]) + OUTSIDE).any():
            raise ValueError(
                f'boxes of video {video!r} extend to x = {reach[0]:g}, y = {reach[1]:g}, but frames are assumed to be '
                f'{width:g} x {height:g}; set ann_height to the height of the annotated frames (the boxes of all '
                f'videos suggest {self._lowest})'
            )
        if not sure and (warning := self.check_height(height)):
            warning += f', or to {height:g} if that is correct'
            if self._has_many:
                raise ValueError(warning)
            warnings.warn(warning, stacklevel=3)

    def _find(self, videos: Sequence[Path | str]) -> np.ndarray:
        """Return the row of each video, -1 if it has none."""
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
        """Whether many videos have boxes in pixels of frames of unknown size."""
        return int((self._videos['reach'][:, 1] > 0).sum()) >= MANY

    @cached_property
    def _lowest(self) -> int:
        """Largest y of their boxes, in pixels."""
        return int(np.ceil(np.nanmax(self._videos['reach'][:, 1], initial=0)))


def _find_or_build(paths: list[Path], num_boxes: int | None) -> Path:
    """Return the folder of the table; build it if it does not exist."""
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
        except (OSError, NotImplementedError) as error:  # file system without locks: several processes may build it
            warnings.warn(f'{writable} cannot be locked: {error}', stacklevel=2)
        if not folder.is_dir():
            _build(files, num_boxes, folder)
            for old in writable.glob(f'{stem}-*'):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)  # processes that have mapped it keep their mapping
    return folder


def _caches() -> list[Path]:
    """Return the fallback folders for tables whose source folder is not writable."""
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
    """Return whether the folder belongs to this user or to the owner of its parent, as world-writable folders exist."""
    return place.stat().st_uid in (os.getuid(), place.parent.stat().st_uid)


def _fingerprint(files: list[Path], num_boxes: int | None) -> str:
    """Hash the names, sizes, modification times and samples of the contents of the files."""
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
    """Write the table to a temporary folder, which is renamed when it is complete."""
    size, start = sum(file.stat().st_size for file in files), time.monotonic()
    log = (lambda text: print_log(f'{text} ({time.monotonic() - start:.0f} s)', 'current')) if size > LARGE else str
    log(f'reading {size / 1e9:.1f} GB of boxes, once for all runs, into {folder}')
    unfinished = Path(tempfile.mkdtemp(prefix='.new-', dir=folder.parent))
    try:
        videos: dict[str, np.ndarray] = {}
        with ExitStack() as stack:
            columns = [stack.enter_context((unfinished / name).open('wb')) for name in COLUMNS]
            for batch in _batches(chain.from_iterable(map(read_videos, files))):
                videos.update(_append(batch, num_boxes, *columns))
                if len(videos) % (80 * BATCH) < BATCH:
                    log(f'{len(videos)} videos')
        names = sorted(videos, key=str.encode)
        np.save(unfinished / 'names.npy', np.array([name.encode() for name in names], dtype='S'))
        np.save(unfinished / 'videos.npy', np.array([videos[name] for name in names], dtype=VIDEO))
        unfinished.chmod(0o755)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    log(f'{len(videos)} videos, done')


def _batches(videos: Iterator[tuple[str, list[Frame]]]) -> Iterator[list[tuple[str, list[Frame]]]]:
    while batch := list(islice(videos, BATCH)):
        yield batch


def _append(
    batch: list[tuple[str, list[Frame]]], num_boxes: int | None, numbers: BinaryIO, boxes: BinaryIO, seen: BinaryIO
) -> dict[str, np.ndarray]:
    """Track the boxes of some videos, append them to the files, and return the videos' rows."""
    lengths = np.array([len(frames) for _, frames in batch])
    most = np.array([max((len(frame.boxes[:num_boxes]) for frame in frames), default=0) for _, frames in batch])
    scales, reaches = zip(*(_scales(name, frames) for name, frames in batch), strict=True)
    found, scale = np.full((lengths.sum(), most.max(), 4), np.nan), np.concatenate(scales)[:, None]  # (F,K,4), (F,1,4)
    for row, frame in zip(found, (frame for _, frames in batch for frame in frames), strict=True):
        row[: len(frame.boxes[:num_boxes])] = frame.boxes[:num_boxes] or np.empty((0, 4))
    # with enough nodes, a new object never takes the node of one that has left
    num_nodes = np.full_like(most, num_boxes) if num_boxes else 2 * most
    tracks, taken = match_boxes(found / scale, lengths, num_nodes)
    tracks *= np.where(np.isnan(np.repeat(np.array(reaches)[:, :1], lengths, axis=0))[..., None], 1, scale)
    rows, first = {}, 0
    for (name, frames), nodes, reach in zip(batch, num_nodes, reaches, strict=True):
        rows_of = slice(first, first := first + len(frames))
        order = np.arange(nodes) if num_boxes else _order_of_appearance(taken[rows_of])
        row = np.zeros((), dtype=VIDEO)
        row['frame'], row['num_frames'] = numbers.tell() // 4, len(frames)
        row['box'], row['num_nodes'], row['reach'] = seen.tell(), len(order), reach
        numbers.write(np.array([frame.number for frame in frames], dtype='i4').tobytes())
        boxes.write(tracks[rows_of, order].astype('f4').tobytes())
        seen.write((taken[rows_of, order] >= 0).tobytes())
        rows[name] = row
    return rows


def _scales(name: str, frames: list[Frame]) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the scale (F, 4) of the boxes, (W, H, W, H) or the largest x and y, and the latter, nan if sizes exist."""
    sizes = [frame.size for frame in frames if frame.boxes]
    if None not in sizes:
        return np.array([(frame.size or (1, 1)) * 2 for frame in frames]).reshape(-1, 4), (np.nan, np.nan)
    if any(sizes):
        raise ValueError(f'some frames of video {name!r} have width and height, others have not')
    reach = np.array([box[2:] for frame in frames for box in frame.boxes]).max(0).clip(min=1)
    return np.tile(reach, (len(frames), 2)), tuple(reach)


def _order_of_appearance(taken: np.ndarray) -> np.ndarray:
    """Return the nodes that have boxes, sorted by the frame of their first box, then by its index there."""
    seen = taken >= 0
    nodes = np.flatnonzero(seen.any(0))
    if not len(nodes):
        return nodes
    first = seen[:, nodes].argmax(0)
    return nodes[np.lexsort((taken[first, nodes], first))]
