"""Reading the official label files of Something-Something, V1 and V2."""

import json
from pathlib import Path
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """A labeled video: the name of its file or folder of frames, and its class."""

    name: str
    label: int


def read_v1(folder: Path, split: str) -> list[Sample]:
    """Read a split of V1 from something-something-v1-{labels,train,validation}.csv.

    Args:
        folder: Folder of the files.
        split: 'train' or 'validation'.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a video has a label that is not one of the classes.
    """
    numbers = {label: number for number, label in enumerate(_read_lines(folder, 'labels'))}
    rows = [line.partition(';')[::2] for line in _read_lines(folder, split)]
    return [Sample(video, _number(numbers, label, video)) for video, label in rows]


def read_v2(folder: Path, split: str) -> list[Sample]:
    """Read a split of V2 from {labels,train,validation}.json, optionally with the prefix something-something-v2-.

    The class of a video is its template without brackets.

    Args:
        folder: Folder of the files.
        split: 'train' or 'validation'.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file is malformed, or a video has no template or one that is not one of the classes.
    """
    path, labels = _read_json(folder, 'labels')
    if not isinstance(labels, dict) or not all(str(number).isdecimal() for number in labels.values()):
        raise ValueError(f'{path} is not of the format {{"class": "number", ...}}; download it again')
    numbers = {label: int(number) for label, number in labels.items()}
    path, videos = _read_json(folder, split)
    if not isinstance(videos, list):
        raise ValueError(f'{path} is not a list of videos; download it again')
    return [_read_video(video, numbers, path) for video in videos]


def _read_video(video: dict, numbers: dict[str, int], path: Path) -> Sample:
    if not isinstance(video, dict) or not {'id', 'template'} <= video.keys():
        raise ValueError(f'{path} contains {video!r} without "id" or "template"; download it again')
    label = str(video['template']).replace('[', '').replace(']', '')
    return Sample(f'{video["id"]}.webm', _number(numbers, label, video['id']))


def _number(numbers: dict[str, int], label: str, video: str) -> int:
    if len(str(video).split()) != 1 or '/' in str(video) or str(video) in ('.', '..'):
        raise ValueError(f'video {video!r} has a name with spaces or slashes, which lists do not allow; rename it')
    if label not in numbers:
        raise ValueError(
            f'video {video} has the label {label!r}, which is not one of the {len(numbers)} classes; check that the '
            'label files are of one version'
        )
    return numbers[label]


def _read_lines(folder: Path, kind: str) -> list[str]:
    text = _find(folder, f'something-something-v1-{kind}.csv').read_text(encoding='utf-8')
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_json(folder: Path, kind: str) -> tuple[Path, Any]:
    path = _find(folder, f'{kind}.json', f'something-something-v2-{kind}.json')
    try:
        return path, json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not JSON ({error}); download it again') from error


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f'{folder} has no {" or ".join(names)}; copy the official label files into it')
