"""Files of boxes in Something-Else's form, read video by video: the whole of one takes tens of gigabytes as objects."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

CHUNK = 1 << 20  # characters read at once
LONGEST_STRING = (
    1 << 14
)  # JSON that is wrong further than this before the end of what was read is not just cut off there
SPACE, DECODER = re.compile(r'[ \t\n\r]*'), json.JSONDecoder()
SIDES = ('x1', 'y1', 'x2', 'y2')
DETECTOR = '_detector.json'  # what tools/data/extract_boxes.py writes beside the boxes


class Frame(NamedTuple):
    """An annotated frame.

    Attributes:
        number (int): Counted from 0.
        boxes (list[list[float]]): (x1, y1, x2, y2) of each box, best first, in pixels.
        size (tuple[float, float] | None): Width and height of the frame, where the file says it.
    """

    number: int
    boxes: list[list[float]]
    size: tuple[float, float] | None


def list_files(paths: Sequence[Path]) -> list[Path]:
    """The files of boxes among files and folders, in order.

    Raises:
        FileNotFoundError: If one of the paths does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(
                f'{path} does not exist; boxes are Something-Else annotations, or come from tools/data/extract_boxes.py'
            )
        if path.is_dir():
            names = (entry.name for entry in os.scandir(path) if entry.name.endswith('.json'))
            files.extend(path / name for name in sorted(names) if name != DETECTOR)
        else:
            files.append(path)
    return files


def read_videos(file: Path) -> Iterator[tuple[str, list[Frame]]]:
    """Yield each video of a file with its annotated frames, in order of time.

    ``{video: [{"name": "<video>/0001.jpg", "labels": [{"box2d": {"x1": , "y1": , "x2": , "y2": }, "score": }]}]}``,
    frames counted from 1, in pixels; ``score`` and the frame's ``width`` and ``height`` may be missing.

    Raises:
        ValueError: If the file is not of this form.
    """
    video = None
    try:
        with file.open(encoding='utf-8-sig') as text:
            for video, frames in _stream_items(text):
                yield video, sorted(map(_parse_frame, frames), key=lambda frame: frame.number)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        after = '' if video is None else f', at or after video {video!r}'
        raise ValueError(
            f'{file} does not hold boxes in the form of Something-Else{after} ({type(error).__name__}: {error})'
        ) from error


def _parse_frame(item: dict[str, Any]) -> Frame:
    labels = item['labels']
    if any('score' in label for label in labels):
        labels = sorted(labels, key=lambda label: -label.get('score', 1))
    boxes = [[float(label['box2d'][side]) for side in SIDES] for label in labels]
    if not all(math.isfinite(side) for box in boxes for side in box):
        raise ValueError(f'box of {item["name"]!r} that is not finite')
    size = (float(item['width']), float(item['height'])) if 'width' in item else None
    return Frame(int(item['name'].rpartition('/')[2].partition('.')[0]) - 1, boxes, size)


def _stream_items(text: TextIO) -> Iterator[tuple[str, Any]]:
    """The items of a JSON object, while no more than one of them and a chunk is in memory."""
    reader = _Reader(text)
    reader.expect('{')
    while reader.expect('"}') == '"':
        reader.position -= 1
        name = reader.value()
        reader.expect(':')
        yield name, reader.value()
        if reader.expect(',}') == '}':
            return


class _Reader:
    """JSON values and the characters between them, from text of which a chunk is in memory."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self.buffer = ''
        self.position = 0

    def expect(self, characters: str) -> str:
        """Move past the next character, which is one of these."""
        while not self._skip_space():
            self._read_more()
        found = self.buffer[self.position]
        if found not in characters:
            raise ValueError(f'{self.buffer[self.position : self.position + 20]!r} where {characters!r} is expected')
        self.position += 1
        return found

    def value(self) -> Any:
        """Move past the next value."""
        while True:
            try:
                self._skip_space()
                value, self.position = DECODER.raw_decode(self.buffer, self.position)
                return value
            except json.JSONDecodeError as error:
                if len(self.buffer) - error.pos > LONGEST_STRING:
                    raise
            self._read_more()

    def _skip_space(self) -> bool:
        """Move to what is no space; whether there is anything left."""
        self.position = SPACE.match(self.buffer, self.position).end()  # type: ignore[union-attr]
        return self.position < len(self.buffer)

    def _read_more(self) -> None:
        rest = self.buffer[self.position :]
        more = self.text.read(max(CHUNK, len(rest)))  # a value longer than a chunk is not tried once for every chunk
        if not more:
            raise ValueError('it ends too early')
        self.buffer, self.position = rest + more, 0
