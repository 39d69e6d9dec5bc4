"""Printable table of the videos: classes, durations, sizes, and unreadable files."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .entries import Entry
from .inspection import VideoFacts

SHOWN = 10  # maximum number of unreadable videos, sizes and rates


def overview(
    entries: Sequence[Entry], facts: Mapping[str, VideoFacts], splits: Mapping[str, str], classes: Sequence[str]
) -> str:
    """Return a line for each class, one for all videos, then sizes, frame rates and unreadable videos."""
    kinds = [split for split in ('train', 'val', 'test') if split in splits.values()]
    rows = [['class', 'videos', *kinds, 'seconds (min - median - max)', 'unreadable']]
    for label, members in [*((name, [e for e in entries if e.label == name]) for name in classes), ('all', entries)]:
        whole = [entry.name for entry in members if entry.name in splits]
        counts = Counter(splits[name] for name in whole)
        seconds = [facts[name].seconds for name in whole]
        span = f'{min(seconds):.1f} - {np.median(seconds):.1f} - {max(seconds):.1f}' if seconds else ''
        bad = str(len(members) - len(whole) or '')
        rows.append([label, str(len(whole)), *(str(counts[kind]) for kind in kinds), span, bad])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        '  '.join(
            cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(cells)
        ).rstrip()
        for cells in ([*zip(row, widths, strict=True)] for row in rows)
    ]
    used = [facts[name] for name in splits]
    lines.append(f'sizes: {_count(f"{found.width}x{found.height}" for found in used)}')
    lines.append(f'frames per second: {_count(f"{found.num_frames / found.seconds:.3g}" for found in used)}')
    broken = [(entry.name, facts[entry.name].problem) for entry in entries if entry.name not in splits]
    if broken:
        lines.append(f'unreadable, ignored: {len(broken)}')
        lines += [f'  {name}: {problem}' for name, problem in broken[:SHOWN]]
        lines += [f'  and {len(broken) - SHOWN} more'] if len(broken) > SHOWN else []
    return '\n'.join(lines)


def _count(values: Iterable[str]) -> str:
    counts = Counter(values).most_common()
    shown = ', '.join(f'{value} ({count})' for value, count in counts[:SHOWN])
    return shown + (f' and {len(counts) - SHOWN} other' if len(counts) > SHOWN else '')


def imbalance(entries: Sequence[Entry], splits: Mapping[str, str], classes: Sequence[str]) -> tuple[float, list[int]]:
    """Return the ratio of training videos between the largest and the smallest class, and the number of each class."""
    counts = Counter(entry.label for entry in entries if splits.get(entry.name) == 'train')
    numbers = [counts[name] for name in classes]
    return max(numbers) / max(min(numbers), 1), numbers


def similar_classes(classes: Sequence[str]) -> list[str]:
    """Return the classes whose names differ from another one only in case or punctuation."""
    keys = [re.sub(r'[\W_]+', '', name).casefold() or name for name in classes]
    return [name for name, key in zip(classes, keys, strict=True) if keys.count(key) > 1]
