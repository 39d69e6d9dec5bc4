"""Labeled videos as a folder or a table names them, before any is read."""

import os
import re
import unicodedata
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
        name: Path from the listing's folder, or absolute where the listing has no folder.
        label: Its class, as text.
        split: 'train', 'val', 'test', or '' where the source does not say.
        recording: Path of the folder that holds it, below that of its class.
    """

    name: str
    label: str
    split: str = ''
    recording: str = ''


class Listing(NamedTuple):
    """The videos of a source.

    Attributes:
        folder: What their names start from; None where they are absolute.
        entries: The videos, each once.
        classes: Names of the classes in order, where the source has them.
        remarks: What was left out, and why; a sentence each.
    """

    folder: Path | None
    entries: list[Entry]
    classes: list[str] | None = None
    remarks: tuple[str, ...] = ()

    def path(self, name: str) -> Path:
        """Where a video of this listing is."""
        return Path(name) if self.folder is None else self.folder / name


def is_video(name: str) -> bool:
    """Whether a file's name ends as those of videos do, in any case."""
    return os.path.splitext(name)[1][1:].lower() in EXTENSIONS


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sorts 'class 2' before 'class 10'."""
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part) for part in re.split(r'(\d+)', text.casefold())]


def clean_label(text: str) -> str:
    """A class name: composed characters, no white space around it or but single spaces in it."""
    return ' '.join(unicodedata.normalize('NFC', text).split())


def check_names(entries: list[Entry]) -> None:
    """Check that a list can hold the names.

    Raises:
        ValueError: If a name has a tab or a line break, or is not UTF-8.
    """
    for name in (entry.name for entry in entries):
        if re.search(r'[\t\r\n]', name) or any('\ud800' <= character <= '\udfff' for character in name):
            raise ValueError(
                f'{name!r} has a tab, a line break or bytes that are not UTF-8 in its name, which a list cannot hold; '
                'rename it'
            )
