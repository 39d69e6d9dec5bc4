"""Writing the lists, the class names and the table of videos that a training reads."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from dyreg_mmaction.files import atomic_write

from .entries import Entry, Listing
from .inspection import VideoFacts

DELIMITER = '\t'  # of the lists: names may have spaces
COLUMNS = ('path', 'class', 'split', 'frames', 'seconds', 'width', 'height', 'problem')


def write_lists(out: Path, entries: Sequence[Entry], splits: Mapping[str, str], classes: Sequence[str]) -> None:
    """Write classes.txt, and for each split a list of a path and a label a line, separated by a tab."""
    _write(out / 'classes.txt', ''.join(f'{name}\n' for name in classes))
    numbers = {name: number for number, name in enumerate(classes)}
    for split in ('train', 'val', 'test'):
        chosen = [entry for entry in entries if splits[entry.name] == split]
        lines = (f'{_keep_start(entry.name)}{DELIMITER}{numbers[entry.label]}\n' for entry in chosen)
        if chosen:
            _write(out / f'{split}.txt', ''.join(lines))
        else:
            (out / f'{split}.txt').unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as part:
        part.write_text(text, encoding='utf-8')


def _keep_start(name: str) -> str:
    """The path with a start that MMAction2 does not strip."""
    return name if name == name.lstrip() else f'./{name}'


def write_table(path: Path, listing: Listing, facts: Mapping[str, VideoFacts], splits: Mapping[str, str]) -> None:
    """Write a CSV file of all videos, unreadable ones included; their splits can be read back."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(COLUMNS)
    for name, label, *_ in listing.entries:
        found = facts[name]
        numbers = (found.num_frames, round(found.seconds, 3), found.width, found.height)
        writer.writerow((name, label, splits.get(name, ''), *numbers, found.problem))
    _write(path, file.getvalue())


def read_splits(path: Path) -> dict[str, str]:
    """Splits of the videos of an earlier table; {} if there is none."""
    if not path.is_file():
        return {}
    with path.open(encoding='utf-8', newline='') as file:
        return {row['path']: row['split'] for row in csv.DictReader(file) if row['split']}
