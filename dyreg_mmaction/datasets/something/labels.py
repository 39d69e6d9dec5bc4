"""Reading the official label files of Something-Something, V1 and V2."""

import json
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """A labelled video: its file, or its folder of frames, and its class."""

    name: str
    label: int


def read_v1(folder: Path, split: str) -> list[Sample]:
    """Read a split of V1 from something-something-v1-{labels,train,validation}.csv.

    Args:
        folder: Where the files are.
        split: 'train' or 'validation'.

    Raises:
        FileNotFoundError: If one of the files is not there.
        ValueError: If a video has a label that is none of the classes.
    """
    numbers = {label: number for number, label in enumerate(_read_lines(folder, 'labels'))}
    rows = [line.partition(';')[::2] for line in _read_lines(folder, split)]
    return [Sample(video, _number(numbers, label, video)) for video, label in rows]


def read_v2(folder: Path, split: str) -> list[Sample]:
    """Read a split of V2 from {labels,train,validation}.json, under these names or with something-something-v2- before.

    A video's class is found by its template, whose brackets the class names have not.

    Args:
        folder: Where the files are.
        split: 'train' or 'validation'.

    Raises:
        FileNotFoundError: If one of the files is not there.
        ValueError: If a video has a template that is none of the classes.
    """
    numbers = {label: int(number) for label, number in _read_json(folder, 'labels').items()}
    samples = []
    for video in _read_json(folder, split):
        label = video['template'].replace('[', '').replace(']', '')
        samples.append(Sample(f'{video["id"]}.webm', _number(numbers, label, video['id'])))
    return samples


def _number(numbers: dict[str, int], label: str, video: str) -> int:
    if label not in numbers:
        raise ValueError(f'the label of video {video}, {label!r}, is none of the {len(numbers)} classes')
    return numbers[label]


def _read_lines(folder: Path, kind: str) -> list[str]:
    text = _find(folder, f'something-something-v1-{kind}.csv').read_text(encoding='utf-8')
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_json(folder: Path, kind: str):
    return json.loads(_find(folder, f'{kind}.json', f'something-something-v2-{kind}.json').read_text(encoding='utf-8'))


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f'{folder} has no {" or ".join(names)}: put the official label files there')
