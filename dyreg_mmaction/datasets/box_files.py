"""Files of boxes in Something-Else's form, and boxes followed from frame to frame."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

REACH = 0.3  # of the frame: how far the centre of an object may jump where its boxes do not overlap
MOVED, FREE, TAKEN_OVER = 1e-3, 1e-6, 1e-9  # what nodes are worth without overlap: one is better than many of the next


class BoxFiles:
    """Annotations by video, as one JSON file for all or a folder with one for each.

    ``{video: [{"name": "<video>/0001.jpg", "labels": [{"box2d": {"x1": , "y1": , "x2": , "y2": }, "score": }]}]}``,
    frames counted from 1, in pixels; ``score`` and the frame's ``width`` and ``height`` may be missing. A file of a
    folder is named ``<video>.json``.

    Args:
        path (str): The file, read at once, or the folder, whose files are read when asked for.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the file is not of this form.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(
                f'{path} does not exist; boxes are Something-Else annotations, or come from tools/extract_boxes.py'
            )
        self.videos = None if self.path.is_dir() else _parse(self.path)

    def read(self, video: Path, size: tuple[float, float], num_boxes: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Annotated frames of a video, counted from 0 and in order, and the best boxes (K, 4) of each, in 0..1.

        Args:
            video (Path): Its file or folder of frames; it is known by its name without extension.
            size (tuple[float, float]): Height and width of the annotated frames, where the file does not say it.
            num_boxes (int): How many boxes of a frame to keep at most: those of highest score.

        Raises:
            ValueError: If the video is not in the file. (Where nothing was found, it is there with an empty list.)
        """
        frames = self._frames(video.stem)
        height, width = size
        numbers = np.array([frame.number for frame in frames], dtype=int)
        return numbers, [frame.best(num_boxes, (width, height)) for frame in frames]

    def _frames(self, video: str) -> list['_Frame']:
        videos, file = self.videos, self.path
        if videos is None:
            file = self.path / f'{video}.json'
            videos = _parse(file) if file.exists() else {}
        if video not in videos:
            raise ValueError(
                f'{file} has no boxes of video {video!r}; run tools/extract_boxes.py for it, or leave it out'
            )
        return videos[video]


class _Frame(NamedTuple):
    """Boxes (K, 4) and scores (K,) of the frame ``number``, and the width and height that they refer to."""

    number: int
    boxes: np.ndarray
    scores: np.ndarray
    size: tuple[float, float] | None

    def best(self, num_boxes: int, size: tuple[float, float]) -> np.ndarray:
        """The boxes of highest score, in 0..1."""
        order = np.argsort(-self.scores, kind='stable')[:num_boxes]
        return self.boxes[order] / np.tile(self.size or size, 2)


def _parse(file: Path) -> dict[str, list[_Frame]]:
    try:
        videos = json.loads(file.read_text(encoding='utf-8'))
        return {video: sorted(map(_parse_frame, frames), key=lambda f: f.number) for video, frames in videos.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{file} does not hold boxes in the form of Something-Else ({type(error).__name__}: {error})'
        ) from error


def _parse_frame(frame: dict) -> _Frame:
    labels = frame['labels']
    boxes = np.array([[label['box2d'][key] for key in ('x1', 'y1', 'x2', 'y2')] for label in labels], dtype=float)
    scores = np.array([label.get('score', 1) for label in labels], dtype=float)
    size = (frame['width'], frame['height']) if 'width' in frame else None
    return _Frame(int(Path(frame['name']).stem) - 1, boxes.reshape(-1, 4), scores, size)


def match_boxes(frames: Sequence[np.ndarray], num_boxes: int) -> np.ndarray:
    """Follow boxes from frame to frame: each goes to the node whose last box it overlaps most, in the sum over all.

    One that overlaps none goes to the nearest node that had a box in the frame before and has no other now, if their
    centres are less than ``REACH`` apart; else to a free node; where none is free, to the nearest without another.

    Args:
        frames (Sequence[np.ndarray]): Boxes (K, 4) of each frame, at most ``num_boxes`` each.
        num_boxes (int): Number of nodes N.

    Returns:
        np.ndarray: (frames, N, 4). A node keeps its last box while it has no other, and has its first box from the
        start on; one that never has a box is nan.
    """
    tracks = np.empty((len(frames), num_boxes, 4))
    last, held = np.full((num_boxes, 4), np.nan), np.zeros(num_boxes, bool)
    for track, boxes in zip(tracks, frames, strict=True):
        nodes, chosen = linear_sum_assignment(_gain(last, held, boxes), maximize=True)
        last[nodes] = boxes[chosen]
        held = np.isin(np.arange(num_boxes), nodes)
        track[:] = last
    first = np.isnan(tracks[..., 0]).sum(0).clip(max=len(frames) - 1)  # (N,)
    return tracks[np.maximum(np.arange(len(frames))[:, None], first), np.arange(num_boxes)]


def _gain(last: np.ndarray, held: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What it is worth that nodes, of last boxes (N, 4), some of the frame before, take boxes (K, 4): (N, K)."""
    centers, new = (last[:, :2] + last[:, 2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.linalg.norm(centers[:, None] - new, axis=-1)  # (N,K)
    worth = np.where(held[:, None] & (distance < REACH), MOVED, TAKEN_OVER)
    return np.where(np.isnan(distance), FREE, iou(last, boxes) + worth / (1 + distance))


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (M, 4) with boxes (K, 4): (M, K); 0 with an empty box."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)
