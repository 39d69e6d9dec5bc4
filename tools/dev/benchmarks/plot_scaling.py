"""Plot time over nodes, frames and resolution from the JSON of ``tools/dev/benchmark.py scaling``.

python tools/dev/benchmark.py scaling --json scaling.json
python tools/dev/benchmarks/plot_scaling.py scaling.json docs/figures/scaling.png
"""

import argparse
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use('agg')
import matplotlib.pyplot as plt

AXES = ('nodes', 'frames', 'frame height and width')


def main() -> None:
    """Plot the file of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('json', type=Path, help='JSON file of the benchmark')
    parser.add_argument('picture', type=Path, help='image to write')
    args = parser.parse_args()
    try:
        rows = json.loads(args.json.read_text())['parts']['scaling']
    except (OSError, ValueError, KeyError, TypeError):
        parser.error(f'{args.json} has no part scaling; run tools/dev/benchmark.py scaling --json {args.json}')
    cases = [(tuple(map(int, re.findall(r'\d+', row['case']))), row['ms']) for row in rows]
    usual = cases[0][0]
    figure, plots = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True, layout='constrained')
    for axis, (plot, label) in enumerate(zip(plots, AXES, strict=True)):
        others = [i for i in range(3) if i != axis]
        line = sorted((case[axis], ms) for case, ms in cases if all(case[i] == usual[i] for i in others))
        plot.loglog(*zip(*line, strict=True), marker='o')
        plot.set_xticks([n for n, _ in line], [str(n) for n, _ in line], minor=False)
        plot.minorticks_off()
        plot.set_xlabel(label)
        plot.grid(alpha=0.3)
    ticks = [n for n in (5, 10, 20, 50, 100, 200, 500, 1000) if n <= 2 * max(ms for _, ms in cases)]
    plots[0].set_yticks(ticks, [str(n) for n in ticks])
    plots[0].set_ylabel('ms per clip')
    figure.savefig(args.picture, dpi=100)


if __name__ == '__main__':
    main()
