"""Files of boxes in Something-Else's form."""

import json
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

OUTSIDE = 2  # pixels that a box may reach beyond the frame before its scale is doubted
UNKNOWN = (float('nan'), float('nan'))


class BoxFiles:
    """Annotations by video, as JSON files of many videos or a folder with a file for each.

    ``{video: [{"name": "<video>/0001.jpg", "labels": [{"box2d": {"x1": , "y1": , "x2": , "y2": }, "score": }]}]}``,
    frames counted from 1, in pixels; ``score`` and the frame's ``width`` and ``height`` may be missing. A file of a
    folder is named ``<video>.json``.

    Args:
        paths (str | Sequence[str]): The file or files, read at once, and folders, whose files are read when asked for.
            Of a video that is in several files, the last counts.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If a file is not of this form.
    """

    def __init__(self, paths: str | Sequence[str]) -> None:
        self.paths = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        for path in self.paths:
            if not path.exists():
                raise FileNotFoundError(
                    f'{path} does not exist; boxes are Something-Else annotations, or come from tools/extract_boxes.py'
                )
        self.table = _Table(path for path in self.paths if not path.is_dir())

    def __contains__(self, video: Path) -> bool:
        """Whether there are annotations of this video, be they empty."""
        folders = [path for path in self.paths if path.is_dir()]
        return video.stem in self.table.videos or any((folder / f'{video.stem}.json').exists() for folder in folders)

    def read(self, video: Path, size: tuple[float, float], num_boxes: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Annotated frames of a video, counted from 0 and in order, and the best boxes (K, 4) of each, in 0..1.

        Args:
            video (Path): Its file or folder of frames; it is known by its name without extension.
            size (tuple[float, float]): Height and width of the annotated frames, where the file does not say it.
            num_boxes (int): How many boxes of a frame to keep at most: those of highest score.

        Raises:
            ValueError: If the video is not in the file (where nothing was found, it is there with an empty list), or
                its boxes do not fit into frames of this size.
        """
        numbers, sizes, frames = self._find(video.stem)  # (F,), (F,2), F of (K,4)
        unknown, assumed = np.isnan(sizes), np.array(size[::-1], dtype=float)
        for frame, missing in zip(frames, unknown, strict=True):
            if missing.all() and (frame[:, 2:] > assumed + OUTSIDE).any():
                reach, (width, height) = frame[:, 2:].max(0), assumed
                raise ValueError(
                    f'boxes of video {video.stem!r} reach to x = {reach[0]:g}, y = {reach[1]:g}, in frames taken to be '
                    f'{width:g} x {height:g}; set ann_height of LoadBoxes to the height of the annotated frames'
                )
        scales = np.tile(np.where(unknown, assumed, sizes), 2)  # (F,4)
        return numbers, [frame[:num_boxes] / scale for frame, scale in zip(frames, scales, strict=True)]

    def _find(self, video: str) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        files = [path / f'{video}.json' for path in self.paths if path.is_dir()]
        for table in (self.table, *(_Table([file]) for file in files if file.exists())):
            if video in table.videos:
                return table.frames(video)
        where = ', '.join(map(str, files if len(files) == len(self.paths) else self.paths))
        raise ValueError(f'{where} has no boxes of video {video!r}; run tools/extract_boxes.py for it, or leave it out')


class _Table:
    """The frames of all videos one after the other, in flat arrays: Something-Else has some ten millions."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.videos: dict[str, slice] = {}
        boxes, ends, numbers, sizes = array('f'), array('q', [0]), array('i'), array('f')
        for file in files:
            for video, frames in _parse(file).items():
                self.videos[video] = slice(len(numbers), len(numbers) + len(frames))
                for frame in frames:
                    boxes.extend(frame.boxes)
                    ends.append(len(boxes) // 4)
                    numbers.append(frame.number)
                    sizes.extend(frame.size)
        self.boxes, self.ends = np.asarray(boxes).reshape(-1, 4), np.asarray(ends)  # those of frame i from ends[i] on
        self.numbers, self.sizes = np.asarray(numbers), np.asarray(sizes).reshape(-1, 2)

    def frames(self, video: str) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Numbers (F,) of a video's frames, the width and height (F, 2) of each, and the boxes (K, 4) of each."""
        frames = self.videos[video]
        boxes = [self.boxes[slice(*self.ends[i : i + 2])] for i in range(frames.start, frames.stop)]
        return self.numbers[frames], self.sizes[frames], boxes


class _Frame(NamedTuple):
    """The boxes of the frame ``number``, best first and one behind the other; width and height are nan if not said."""

    number: int
    boxes: array
    size: tuple[float, float]


def _parse(file: Path) -> dict[str, list[_Frame]]:
    """Frames by video, in order. Each is made small as soon as it is read, lest all be large at once."""
    try:
        videos = json.loads(file.read_text(encoding='utf-8'), object_hook=_parse_frame)
        return {video: sorted(frames, key=lambda frame: frame.number) for video, frames in videos.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{file} does not hold boxes in the form of Something-Else ({type(error).__name__}: {error})'
        ) from error


def _parse_frame(item: dict) -> _Frame | dict:
    if 'labels' not in item:  # a part of a frame, or all videos
        return item
    labels = sorted(item['labels'], key=lambda label: -label.get('score', 1))
    boxes = array('f', [label['box2d'][side] for label in labels for side in ('x1', 'y1', 'x2', 'y2')])
    size = (item['width'], item['height']) if 'width' in item else UNKNOWN
    return _Frame(int(Path(item['name']).stem) - 1, boxes, size)
