"""Conversion of a source of videos to checked lists."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..video.journal import check_all
from .entries import Entry, Listing, is_video, natural_key
from .from_folder import read_folder
from .from_table import read_tables
from .inspection import VideoFacts, describe_video
from .lists import read_splits, write_lists, write_table
from .split import split_videos


class Prepared(NamedTuple):
    """The videos of a source, checked and split.

    Attributes:
        listing: All videos of the source.
        facts: Properties of each video, by name.
        splits: 'train', 'val' or 'test' of each usable video, by name.
        classes: Class names, in the order of the labels.
        num_new: Number of usable videos that were added since the last call.
    """

    listing: Listing
    facts: dict[str, VideoFacts]
    splits: dict[str, str]
    classes: list[str]
    num_new: int

    @property
    def entries(self) -> list[Entry]:
        """The usable videos."""
        return [entry for entry in self.listing.entries if entry.name in self.splits]


def read_source(paths: Sequence[Path], videos: Path | None = None) -> Listing:
    """List the videos of a folder with a sub-folder per class, or of tables.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If the source has no labeled videos or another form.
    """
    for path in [*paths, *([videos] if videos else [])]:
        if not path.exists():
            raise FileNotFoundError(f'{path} does not exist; pass a folder of videos or a file that lists them')
        if is_video(path.name) and path.is_file():
            raise ValueError(f'{path} is a video; pass a folder with a sub-folder for each class, or a CSV file')
    folders = [path for path in paths if path.is_dir()]
    if folders and (len(paths) > 1 or videos):
        raise ValueError(f'{folders[0]} is a folder; pass one folder alone, or files that list videos')
    return read_folder(Path(os.path.abspath(folders[0]))) if folders else read_tables(paths, videos)


def prepare_videos(
    listing: Listing, out: Path, *, fraction: float = 0.2, split_by: str = 'video', workers: int = 1
) -> Prepared:
    """Check every video, split them, and write the lists, the class names and a table into a folder.

    Further calls check only new and changed files, and videos keep their splits.

    Raises:
        ValueError: If fewer than two classes have readable videos, or no video can be held out.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = {entry.name: listing.path(entry.name) for entry in listing.entries}
    facts = check_all(describe_video, paths, out / 'checked.tsv', workers, VideoFacts)
    whole = [entry for entry in listing.entries if not facts[entry.name].problem]
    earlier = read_splits(out / 'videos.csv')
    if len({entry.label for entry in whole}) < 2:
        write_table(out / 'videos.csv', listing, facts, earlier)
        raise ValueError(_too_few(listing, facts, whole))
    splits = split_videos(whole, fraction, split_by, earlier)
    labels = {entry.label for entry in whole}
    classes = listing.classes or sorted(labels, key=lambda label: (natural_key(label), label))
    write_lists(out, whole, splits, classes)
    write_table(out / 'videos.csv', listing, facts, splits)
    return Prepared(listing, facts, splits, classes, len(splits.keys() - earlier.keys()))


def _too_few(listing: Listing, facts: dict[str, VideoFacts], whole: list[Entry]) -> str:
    broken = [entry.name for entry in listing.entries if facts[entry.name].problem]
    found = f'all readable videos are of class {whole[0].label!r}' if whole else 'no video can be read'
    example = f' ({len(broken)} unreadable, such as {broken[0]}: {facts[broken[0]].problem})' if broken else ''
    return f'{found}{example}, but training needs at least two classes; add videos of another class'
