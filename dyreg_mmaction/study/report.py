"""Report of a study: table, curves and plot."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dyreg_mmaction.files import atomic_write

from .run import StudyRun


def write_report(runs: Sequence[StudyRun], metrics: list[str], folder: Path) -> None:
    """Write ``study.json``, ``study.md`` and ``study.png``.

    Args:
        runs (Sequence[StudyRun]): Runs that have finished a portion or diverged.
        metrics (list[str]): Metrics of table and plot.
        folder (Path): Output folder.
    """
    keys = ('name', 'seed', 'num_parameters', 'diverged', 'curve')
    with atomic_write(folder / 'study.json') as file:
        file.write_text(json.dumps([{key: getattr(run, key) for key in keys} for run in runs], indent=1))
    with atomic_write(folder / 'study.md') as file:
        file.write_text(table(runs, metrics))
    plot([run for run in runs if run.curve], metrics, folder / 'study.png')


def table(runs: Sequence[StudyRun], metrics: list[str]) -> str:
    """Return a Markdown table with mean and standard deviation over seeds for each config.

    The values are those at the largest number of training videos that all runs have reached.
    """
    videos = min((run.videos for run in runs if not run.diverged), default=0)
    lines = [
        f'First evaluation after {videos:,} videos, mean ± standard deviation over seeds; '
        'shift and motion of regions in cells.\n',
        f'| config | parameters | seeds | {" | ".join(metrics)} | loss | region shift | region motion | seconds |',
        f'|---|---|---|{"---|" * len(metrics)}---|---|---|---|',
    ]
    for name in dict.fromkeys(run.name for run in runs):
        of_name = [run for run in runs if run.name == name]
        going = [run for run in of_name if not run.diverged]
        points = [next(p for p in run.curve if p['videos'] >= videos) for run in going]
        cells = [_spread(points, key) for key in (*metrics, 'loss', 'shift', 'motion', 'seconds')]
        seeds = f'{len(going)}' if going == of_name else f'{len(going)}, {len(of_name) - len(going)} diverged'
        lines.append(f'| {name} | {of_name[0].num_parameters:,} | {seeds} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _spread(points: list[dict[str, float]], key: str) -> str:
    values = [point[key] for point in points if key in point]
    spread = f' ± {np.std(values, ddof=1):.2g}' if len(values) > 1 else ''
    return f'{np.mean(values):.4g}{spread}' if values else '-'


def plot(runs: Sequence[StudyRun], metrics: list[str], path: Path) -> None:
    """Plot the metrics and, for models with regions, their shift and motion, with one line per seed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f'matplotlib is not installed and {path.name} is not drawn; run `pip install matplotlib`')
        return
    keys = metrics + [key for key in ('shift', 'motion') if any(key in run.curve[-1] for run in runs)]
    names = list(dict.fromkeys(run.name for run in runs))
    figure = Figure(figsize=(6 * len(keys), 4.5), layout='constrained')
    for axes, key in zip(np.atleast_1d(figure.subplots(1, len(keys))), keys, strict=True):
        for run in runs:
            if key in run.curve[-1]:
                x, y = ([point[k] for point in run.curve] for k in ('videos', key))
                label = run.name if run.seed == runs[0].seed else None
                axes.plot(x, y, color=f'C{names.index(run.name)}', label=label)
        axes.set(xlabel='videos', title=key if key in metrics else f'region {key} (cells)')
        axes.legend()
    with atomic_write(path) as file:
        figure.savefig(file, dpi=100, format='png')
