"""Loss and accuracy of a run over its steps, from the scalars.json that MMEngine writes."""

import json
import math
from pathlib import Path

LOSS, ACCURACY = 'loss', 'acc/top1'
MOST = 400  # points of a curve


def read_curves(run: Path) -> dict[str, list[tuple[float, float]]]:
    """Curves (step, value) of a work dir: the loss by iteration and top-1 accuracy of validation, of all its restarts.

    A step that was repeated after a restart counts as it was the last time. What is broken or not finite is left out.

    Args:
        run (Path): The work dir.

    Returns:
        dict[str, list]: 'loss' and 'acc/top1'; those that the run has.
    """
    curves: dict[str, dict[float, float]] = {LOSS: {}, ACCURACY: {}}
    for file in sorted(run.glob('*/vis_data/scalars.json')):
        for line in file.read_text(encoding='utf-8', errors='replace').split('\n'):
            try:
                row = json.loads(line)
                for name in curves.keys() & row.keys():
                    if math.isfinite(row[name]):
                        curves[name][row['step']] = float(row[name])
            except (ValueError, TypeError, KeyError, AttributeError):  # cut short by a kill
                continue
    return {name: _thin(sorted(curve.items())) for name, curve in curves.items() if curve}


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many points: means of equally many neighbors."""
    size = -(-len(points) // MOST)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
