"""Reproducible split of videos, with some of each class held out and each recording in one split."""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from .entries import Entry

SPLIT_BY = ('video', 'folder', 'prefix')


def recording_of(entry: Entry, split_by: str) -> str:
    """Return the key of the recording that a video belongs to; a recording must be in one split.

    Args:
        entry: A video.
        split_by: 'video': each video is a recording; 'folder': all videos of a folder, and of folders of the same name
            in other classes; 'prefix': all whose file names are equal up to the last ``_``, ``-``, ``.`` or space.
    """
    if split_by == 'folder':
        return entry.recording
    if split_by == 'prefix':
        stem = os.path.splitext(os.path.basename(entry.name))[0]
        return re.match(r'(.*?)[-_. ]*[^-_. ]*$', stem)[1] or stem  # type: ignore[index]
    return entry.name


def split_videos(
    entries: Sequence[Entry], fraction: float, split_by: str = 'video', earlier: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Assign a split to every video.

    Splits of the source have priority ('test' becomes 'val' if there is no 'val'; 'train' alone is ignored), then those
    of an earlier call. Other videos of these recordings get the same split. If the source has no 'val', recordings are
    added to it in an order that depends only on their names, until it has the fraction of each class. If all videos of
    a class that an earlier call held out were removed, one that was in 'train' is held out. A class with a single
    recording is in 'train'.

    Args:
        entries: The videos.
        fraction: Fraction of the videos of each class to hold out, between 0 and 1.
        split_by: See :func:`recording_of`.
        earlier: Splits of an earlier call, by name.

    Returns:
        'train', 'val' or 'test' by name.

    Raises:
        ValueError: If ``fraction`` or ``split_by`` is invalid, a recording is in two splits of the source, or no video
            can be held out.
    """
    if not 0 < fraction < 1:
        raise ValueError(f'the fraction of videos to hold out is {fraction}, but must be between 0 and 1')
    if split_by not in SPLIT_BY:
        raise ValueError(f'split_by is {split_by!r}, but must be one of {", ".join(SPLIT_BY)}')
    given = {entry.split for entry in entries}
    if 'val' not in given:  # a test split becomes val; a train split alone is no split
        new = dict(train='train', test='val') if 'test' in given else {}
        entries = [entry._replace(split=new.get(entry.split, '')) for entry in entries]
    recordings: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        recordings[recording_of(entry, split_by)].append(entry)
    if len(recordings) == 1 and len(entries) > 1:
        name = next(iter(recordings))
        where = f'are of one recording, {name!r}' if name else 'are directly in the folders of their classes'
        raise ValueError(
            f'--split-by {split_by}: all {len(entries)} videos {where}; '
            'choose another --split-by, or pass a CSV file with a column "split"'
        )
    splits = _known(recordings, split_by, earlier or {})
    if not any(entry.split == 'val' for entry in entries):
        _hold_out(entries, {key: r for key, r in recordings.items() if key not in splits}, splits, recordings, fraction)
    result = {}
    for key, members in recordings.items():
        for entry in members:
            result[entry.name] = entry.split or splits.get(key, 'train')
    _check(result, len(recordings), split_by)
    return result


def _known(recordings: dict[str, list[Entry]], split_by: str, earlier: Mapping[str, str]) -> dict[str, str]:
    """Return the splits of recordings that have one from the source or an earlier call."""
    splits = {}
    for key, members in recordings.items():
        given = {entry.split for entry in members if entry.split}
        if len(given) > 1 and split_by != 'video':
            raise ValueError(
                f'--split-by {split_by}: recording {key!r} is in the splits {" and ".join(sorted(given))} of the '
                'source; put it into one, or omit --split-by'
            )
        given = given or {earlier[entry.name] for entry in members if entry.name in earlier}
        if given:
            # after a change of --split-by a recording may be in both; 'train', so that no training video is tested
            splits[key] = min(given)
    return splits


def _hold_out(
    entries: Sequence[Entry],
    free: dict[str, list[Entry]],
    splits: dict[str, str],
    recordings: dict[str, list[Entry]],
    fraction: float,
) -> None:
    """Add recordings to 'val' that bring classes closer to their fraction and leave them videos to train on."""
    total = Counter(entry.label for entry in entries)
    held = Counter(entry.label for key, split in splits.items() if split == 'val' for entry in recordings[key])
    kept = total - Counter(
        entry.label for key, split in splits.items() if split != 'train' for entry in recordings[key]
    )
    wanted = {label: max(round(fraction * count), 1) for label, count in total.items()}
    labels = {key: Counter(entry.label for entry in members) for key, members in recordings.items()}

    def hold(key: str) -> bool:
        """Hold a recording out if every class in it keeps videos to train on."""
        if any(kept[label] <= n for label, n in labels[key].items()):
            return False
        splits[key] = 'val'
        held.update(labels[key])
        kept.subtract(labels[key])
        return True

    for key in sorted(free, key=lambda key: hashlib.blake2b(key.encode(errors='surrogateescape')).digest()):
        missing = {label: wanted[label] - held[label] for label in labels[key]}
        if sum(abs(missing[label]) - abs(missing[label] - n) for label, n in labels[key].items()) > 0:
            hold(key)
    for label in total:  # classes with large recordings only, or whose held-out videos were removed: the smallest
        if not held[label]:
            smallest = sorted(recordings, key=lambda key: labels[key].total())
            any(hold(key) for key in smallest if labels[key][label] and splits.get(key, 'train') == 'train')


def _check(splits: Mapping[str, str], num_recordings: int, split_by: str) -> None:
    for split in ('train', 'val'):
        if split not in splits.values():
            what = 'videos' if split_by == 'video' else f'recordings (--split-by {split_by})'
            raise ValueError(
                f'no video is left for {split}: there are {num_recordings} {what}, but a class needs two to hold one '
                'out; add videos, or pass a CSV file with a column "split"'
            )
