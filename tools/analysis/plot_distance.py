"""Plot the distance between regions and objects during training, from the logs of runs with ObjectDistance."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402

NAMES = {
    'object/dist': 'harmonic mean of both directions',
    'object/dist_acting': 'from the acting object to the nearest node',
}
REQUIRED = 'object/dist'  # the other needs datasets with acting objects, which Something-Something is not
PAPER = (0.201, 0.129)  # at the start and after training, on Something-Something V2


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'runs', nargs='+', type=Path, help='work dirs of runs that validated after every epoch (val_interval=1)'
    )
    parser.add_argument('--out', type=Path, required=True, help='image to write, such as distance.png')
    return parser.parse_args()


def read_curve(run: Path, name: str) -> list[tuple[int, float]]:
    """Return epochs and values that a run has logged. Of repeated epochs the last value counts.

    Raises:
        SystemExit: If there are no values of ``REQUIRED``.
    """
    points: dict[int, float] = {}
    for log in sorted(run.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:  # truncated when the run was killed
                continue
            if name in values:
                points[values['step']] = values[name]
    if not points and name == REQUIRED:
        raise SystemExit(f'{run} has no {name} in its logs; train with ObjectDistance in val_evaluator')
    return sorted(points.items())


def main() -> None:
    """Plot the runs of the command line."""
    args = parse_args()
    figure, axes = plt.subplots(figsize=(7, 4), layout='constrained')
    for color, run in enumerate(args.runs):
        for style, (name, words) in zip(('-', '--'), NAMES.items(), strict=True):
            if curve := read_curve(run, name):
                axes.plot(*zip(*curve, strict=True), style, marker='o', color=f'C{color}', label=f'{run.name}: {words}')
    for value, when in zip(PAPER, ('start', 'end'), strict=True):
        axes.axhline(value, color='0.7', linewidth=1, label=f"{when} of the paper's training: {value}")
    axes.set(xlabel='epoch', ylabel='distance, as a fraction of the frame', ylim=(0, None))
    axes.legend(fontsize=8)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=120)
    print(args.out)


if __name__ == '__main__':
    main()
