"""Accuracy by class."""

import csv
from collections import Counter
from pathlib import Path


def summarize(predictions: Path) -> str:
    """Return overall accuracy and accuracy by class as text.

    Args:
        predictions (Path): Table of :class:`.WritePredictions`.
    """
    with predictions.open(encoding='utf-8', newline='') as file:
        pairs = [(row['class'], row['predicted']) for row in csv.DictReader(file)]
    total, correct = Counter(truth for truth, _ in pairs), Counter(truth for truth, guess in pairs if truth == guess)
    width = max(map(len, total))
    lines = [f'held-out accuracy: {correct.total() / len(pairs):.3f} ({correct.total()} of {len(pairs)} videos)']
    lines += [
        f'  {name.ljust(width)}  {correct[name] / count:.3f} ({correct[name]} of {count})'
        for name, count in total.items()
    ]
    return '\n'.join(lines)
