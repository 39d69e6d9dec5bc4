"""Stream box files in the format of Something-Else video by video; loaded at once, a file takes tens of gigabytes."""

import math
import os
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import ijson

SIDES = ('x1', 'y1', 'x2', 'y2')
DETECTOR = '_detector.json'  # written by tools/data/extract_boxes.py to the folder of the boxes


class Frame(NamedTuple):
    """An annotated frame.

    Attributes:
        number (int): Frame number, counted from 0.
        boxes (list[list[float]]): (x1, y1, x2, y2) of each box in pixels, sorted by decreasing score.
        size (tuple[float, float] | None): Width and height of the frame, if the file provides them.
    """

    number: int
    boxes: list[list[float]]
    size: tuple[float, float] | None


def list_files(paths: Sequence[Path]) -> list[Path]:
    """List the box files of files and folders, in order.

    Raises:
        FileNotFoundError: If one of the paths does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(
                f'{path} does not exist; download the Something-Else annotations, or run tools/data/extract_boxes.py'
            )
        if path.is_dir():
            names = (entry.name for entry in os.scandir(path) if entry.name.endswith('.json'))
            files.extend(path / name for name in sorted(names) if name != DETECTOR)
        else:
            files.append(path)
    return files


def read_videos(file: Path) -> Iterator[tuple[str, list[Frame]]]:
    """Yield each video of a file with its annotated frames in temporal order.

    The format is
    ``{video: [{"name": "<video>/0001.jpg", "labels": [{"box2d": {"x1": , "y1": , "x2": , "y2": }, "score": }]}]}``.
    Frames are counted from 1 and boxes are in pixels. ``score`` and the frame's ``width`` and ``height`` are optional.

    Raises:
        ValueError: If the file does not have this format.
    """
    video = None
    try:
        with file.open('rb') as content:
            for video, frames in _stream_items(content):
                yield video, sorted(map(_parse_frame, frames), key=lambda frame: frame.number)
    except (ijson.JSONError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f'{type(error).__name__}: {error}'.partition('\n')[0]  # the next lines quote the file
        after = '' if video is None else f', at or after video {video!r}'
        raise ValueError(f'{file} does not have the format of Something-Else{after} ({reason})') from error


def _parse_frame(item: dict[str, Any]) -> Frame:
    labels = item['labels']
    if any('score' in label for label in labels):
        labels = sorted(labels, key=lambda label: -label.get('score', 1))
    boxes = [[float(label['box2d'][side]) for side in SIDES] for label in labels]
    if not all(math.isfinite(side) for box in boxes for side in box):
        raise ValueError(f'a box of {item["name"]!r} is not finite')
    size = (float(item['width']), float(item['height'])) if 'width' in item else None
    return Frame(int(item['name'].rpartition('/')[2].partition('.')[0]) - 1, boxes, size)


def _stream_items(content: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Yield the items of a JSON object, with one item in memory at a time."""
    head = content.read(1024)
    start = len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0
    if not (text := head[start:].lstrip()).startswith(b'{'):
        raise ValueError(f'it starts with {text[:20].decode(errors="replace")!r}, not with an object')
    content.seek(start)
    return ijson.kvitems(content, '', use_float=True)
