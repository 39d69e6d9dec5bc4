"""Write the lists, the class names and the table of videos for training."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from dyreg_mmaction.files import atomic_write

from .entries import Entry, Listing
from .inspection import VideoFacts

DELIMITER = '\t'  # of the lists, because names may contain spaces
COLUMNS = ('path', 'class', 'split', 'frames', 'seconds', 'width', 'height', 'bytes', 'problem')


def write_lists(out: Path, entries: Sequence[Entry], splits: Mapping[str, str], classes: Sequence[str]) -> None:
    """Write classes.txt, and a list for each split: a path, a tab and a label per line."""
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
    """Return the path with './' before leading white space, which MMAction2 would strip."""
    return name if name == name.lstrip() else f'./{name}'


def write_table(path: Path, listing: Listing, facts: Mapping[str, VideoFacts], splits: Mapping[str, str]) -> None:
    """Write a CSV file of all videos, including unreadable ones, with their splits."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(COLUMNS)
    for name, label, *_ in listing.entries:
        found = facts[name]
        numbers = (found.num_frames, round(found.seconds, 3), found.width, found.height, found.num_bytes)
        writer.writerow((name, label, splits.get(name, ''), *numbers, found.problem))
    _write(path, file.getvalue())


def read_splits(path: Path) -> dict[str, str]:
    """Read the splits of the videos from an earlier table; {} if the file does not exist."""
    if not path.is_file():
        return {}
    with path.open(encoding='utf-8', newline='') as file:
        return {row['path']: row['split'] for row in csv.DictReader(file) if row['split']}
