"""Accuracy of a test by class."""

import csv
from collections import Counter
from pathlib import Path


def summarize(predictions: Path) -> str:
    """Accuracy of all videos and of each class, from the table of :class:`.WritePredictions`."""
    with predictions.open(encoding='utf-8', newline='') as file:
        pairs = [(row['class'], row['predicted']) for row in csv.DictReader(file)]
    total, right = Counter(truth for truth, _ in pairs), Counter(truth for truth, guess in pairs if truth == guess)
    width = max(map(len, total))
    lines = [f'held-out accuracy: {right.total() / len(pairs):.3f} ({right.total()} of {len(pairs)} videos)']
    lines += [
        f'  {name.ljust(width)}  {right[name] / count:.3f} ({right[name]} of {count})' for name, count in total.items()
    ]
    return '\n'.join(lines)
