"""Labeled videos as listed by a folder or a table, before any file is read."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EXTENSIONS = frozenset('3gp asf avi flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv'.split())
SPLITS = {
    **dict.fromkeys(('train', 'training'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation', 'dev', 'eval'), 'val'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}


class Entry(NamedTuple):
    """A labeled video.

    Attributes:
        name: Path relative to the listing's folder, or absolute if the listing has none.
        label: Class, as text.
        split: 'train', 'val', 'test', or '' if the source has no splits.
        recording: Path of the video's folder, relative to the folder of its class.
    """

    name: str
    label: str
    split: str = ''
    recording: str = ''


class Listing(NamedTuple):
    """The videos of a source.

    Attributes:
        folder: Folder that the names are relative to; None if they are absolute.
        entries: The videos, each once.
        classes: Class names in order, if the source has them.
        remarks: One sentence for each kind of ignored entry.
    """

    folder: Path | None
    entries: list[Entry]
    classes: list[str] | None = None
    remarks: tuple[str, ...] = ()

    def path(self, name: str) -> Path:
        """Return the path of a video of this listing."""
        return Path(name) if self.folder is None else self.folder / name


def is_video(name: str) -> bool:
    """Return whether a file has the extension of a video, in any case."""
    return os.path.splitext(name)[1][1:].lower() in EXTENSIONS


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sorting key that puts 'class 2' before 'class 10'."""
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part) for part in re.split(r'(\d+)', text.casefold())]


def clean_label(text: str) -> str:
    """Return a class name with composed characters, single spaces, and no surrounding white space."""
    return ' '.join(unicodedata.normalize('NFC', text).split())


def walk_files(root: Path, seen: set[str] | None = None) -> Iterator[str]:
    """Yield the paths of the files below a folder, in natural order, without hidden ones; '/' separates folders.

    Links are followed, and each folder is entered once.
    """
    seen = set() if seen is None else seen
    real = os.path.realpath(root)
    if real in seen:
        return
    seen.add(real)
    entries = [entry for entry in os.scandir(root) if not entry.name.startswith('.')]
    for entry in sorted(entries, key=lambda entry: (natural_key(entry.name), entry.name)):
        if entry.is_dir():
            yield from (f'{entry.name}/{name}' for name in walk_files(Path(entry.path), seen))
        else:
            yield entry.name


def check_names(entries: list[Entry]) -> None:
    """Check that the names can be written to a list.

    Raises:
        ValueError: If a name has a tab or a line break, or is not UTF-8.
    """
    for name in (entry.name for entry in entries):
        if re.search(r'[\t\r\n]', name) or any('\ud800' <= character <= '\udfff' for character in name):
            raise ValueError(
                f'{name!r} has a tab, a line break or bytes that are not UTF-8 in its name, which a list cannot '
                'contain; rename the file'
            )
