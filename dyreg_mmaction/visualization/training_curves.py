"""Loss and accuracy of a run by step, from MMEngine's scalars.json."""

import json
import math
from pathlib import Path

LOSS, ACCURACY = 'loss', 'acc/top1'
MAX_POINTS = 400  # per curve


def read_curves(run: Path) -> dict[str, list[tuple[float, float]]]:
    """Read the curves (step, value) of a work dir, including all restarts: loss and top-1 accuracy of validation.

    For steps that were repeated after a restart, the last value counts. Invalid lines and values that are not finite
    are ignored.

    Args:
        run (Path): The work dir.

    Returns:
        dict[str, list]: The curves 'loss' and 'acc/top1', if the run has them.
    """
    curves: dict[str, dict[float, float]] = {LOSS: {}, ACCURACY: {}}
    for file in sorted(run.glob('*/vis_data/scalars.json')):
        for line in file.read_text(encoding='utf-8', errors='replace').split('\n'):
            try:
                row = json.loads(line)
                for name in curves.keys() & row.keys():
                    if math.isfinite(row[name]):
                        curves[name][row['step']] = float(row[name])
            except (ValueError, TypeError, KeyError, AttributeError):  # truncated when the process was killed
                continue
    return {name: _thin(sorted(curve.items())) for name, curve in curves.items() if curve}


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Reduce a curve to at most ``MAX_POINTS`` points by averaging groups of consecutive points."""
    size = -(-len(points) // MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
