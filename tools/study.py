"""Train several configs with several seeds for a given time, and compare them.

Example:
    cd configs/multisyncmnist; python ../../tools/study.py r18_fixed.py r18_dyreg.py --seeds 0 1 --minutes 600

The runs take turns, a portion of iterations each, so that they have seen equally many videos whenever the study ends.
Learning rates are constant: the schedulers of the configs are left out. Interrupt it whenever you like: the same
command goes on where it was. The folder receives, after each portion, ``study.md`` (the table), ``study.json`` (all
curves), ``study.png`` (the plot) and a checkpoint for each run.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger

import dyreg_mmaction  # noqa: F401  (registers what configs name)
from dyreg_mmaction.engine.study import StudyRun

Runs = dict[tuple[str, int], dict[str, Any]]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('configs', nargs='+', type=Path, help='config files; a run is named after its file')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of each config')
    parser.add_argument('--minutes', type=float, default=60, help='time for all runs together, of this call')
    parser.add_argument('--videos', type=int, help='videos of each run after which the study ends, if time allows')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/study'), help='folder of the study')
    parser.add_argument('--portion', type=int, default=200, help='iterations from one evaluation to the next')
    parser.add_argument('--val-videos', type=int, default=1000, help='videos to evaluate on')
    parser.add_argument('--metric', default='acc/top1', help='metric of table and plot')
    parser.add_argument('--threads', type=int, help='threads of this process; by default as many as there are cores')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='settings of all configs, k=v')
    args = parser.parse_args()
    for option in ('portion', 'val_videos', 'threads'):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            parser.error(f'--{option.replace("_", "-")} {getattr(args, option)} must be at least 1')
    return args


def main() -> None:
    args = parse_args()
    names = [path.stem for path in args.configs]
    if len(set(names)) < len(names):
        raise ValueError(f'the configs {names} must have different file names, by which their runs are told apart')
    if args.threads:
        torch.set_num_threads(args.threads)
    MMLogger.get_current_instance().setLevel('WARNING')
    args.out.mkdir(parents=True, exist_ok=True)
    configs = {}
    for path in args.configs:
        configs[path.stem] = Config.fromfile(path)
        configs[path.stem].merge_from_dict(args.cfg_options)
    run_study(configs, args)


def run_study(configs: dict[str, Config], args: argparse.Namespace) -> None:
    """Turns of all runs until the next portion would not fit into the time."""
    end = time.monotonic() + 60 * args.minutes
    runs: Runs = {(name, seed): {} for seed in args.seeds for name in configs}
    for name, seed in runs:  # all configs are built before hours go into the first
        run = StudyRun(name, configs[name], seed, args.out, args.val_videos)
        runs[name, seed] = dict(parameters=run.num_parameters, curve=run.curve)
    longest = 0.0
    while going := [key for key, run in runs.items() if 'diverged' not in run]:
        name, seed = min(going, key=lambda key: videos_seen(runs[key]))
        enough = args.videos is not None and videos_seen(runs[name, seed]) >= args.videos
        if enough or time.monotonic() + longest >= end:
            break
        began = time.monotonic()
        run = StudyRun(name, configs[name], seed, args.out, args.val_videos)
        try:
            point = run.portion(args.portion)
        except FloatingPointError as error:  # the others go on
            runs[name, seed]['diverged'] = str(error)
            print(error, flush=True)
        else:
            if args.metric not in point:
                raise ValueError(f'--metric {args.metric} is not measured; choose one of {", ".join(point)}')
            runs[name, seed]['curve'] = run.curve
            left = max(0, end - time.monotonic()) / 60
            numbers = ' '.join(f'{key} {value:.4g}' for key, value in point.items())
            print(f'{name} seed {seed}: {numbers} | {left:.0f} min left', flush=True)
        longest = max(longest, time.monotonic() - began)
        write_report(runs, args)
    write_report(runs, args)


def videos_seen(run: dict[str, Any]) -> int:
    """Number of videos a run has been trained on."""
    return run['curve'][-1]['videos'] if run['curve'] else 0


def write_report(runs: Runs, args: argparse.Namespace) -> None:
    """Table, curves and plot, of the runs that have a portion done."""
    done = {key: run for key, run in runs.items() if run['curve'] or 'diverged' in run}
    if not done:
        print(f'{args.minutes} minutes are too few for one portion of {args.portion} iterations')
        return
    curves = [dict(name=name, seed=seed, **run) for (name, seed), run in done.items()]
    _write(args.out / 'study.json', json.dumps(curves, indent=1))
    _write(args.out / 'study.md', table(done, args.metric))
    plot({key: run for key, run in done.items() if run['curve']}, args.metric, args.out / 'study.png')


def table(runs: Runs, metric: str) -> str:
    """Markdown table: each config at the largest number of videos that all runs have seen, mean and spread of seeds."""
    videos = min((videos_seen(run) for run in runs.values() if 'diverged' not in run), default=0)
    lines = [
        f'At the first evaluation after {videos:,} videos, mean ± standard deviation over the seeds; '
        'shift and motion of the regions in cells.\n',
        f'| config | parameters | seeds | {metric} | loss | region shift | region motion | seconds |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for name in dict.fromkeys(name for name, _ in runs):
        of_name = [run for (other, _), run in runs.items() if other == name]
        going = [run for run in of_name if 'diverged' not in run]
        points = [next(p for p in run['curve'] if p['videos'] >= videos) for run in going]
        cells = [_spread(points, key) for key in (metric, 'loss', 'shift', 'motion', 'seconds')]
        seeds = f'{len(going)}' if going == of_name else f'{len(going)}, {len(of_name) - len(going)} diverged'
        lines.append(f'| {name} | {of_name[0]["parameters"]:,} | {seeds} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _spread(points: list[dict[str, float]], key: str) -> str:
    values = [point[key] for point in points if key in point]
    if not values:
        return '-'
    spread = f' ± {np.std(values, ddof=1):.2g}' if len(values) > 1 else ''
    return f'{np.mean(values):.4g}{spread}'


def plot(runs: Runs, metric: str, path: Path) -> None:
    """Curves of the metric and, where there are regions, of their shift: a thin line a seed, a thick one the mean."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f'matplotlib is not installed, so {path.name} is not drawn: pip install matplotlib')
        return
    keys = [metric] + [key for key in ('shift', 'motion') if any(key in run['curve'][-1] for run in runs.values())]
    figure = Figure(figsize=(6 * len(keys), 4.5), layout='constrained')
    for axes, key in zip(np.atleast_1d(figure.subplots(1, len(keys))), keys, strict=True):
        for color, name in enumerate(dict.fromkeys(name for name, _ in runs)):
            curves = [r['curve'] for (other, _), r in runs.items() if other == name and key in r['curve'][-1]]
            for curve in curves:
                axes.plot(*_xy(curve, key), color=f'C{color}', linewidth=0.6, alpha=0.5)
            if curves:
                shortest = min(map(len, curves))
                x, y = zip(*(_xy(curve[:shortest], key) for curve in curves), strict=True)
                axes.plot(np.mean(x, axis=0), np.mean(y, axis=0), color=f'C{color}', linewidth=2, label=name)
        axes.set(xlabel='videos', title=key if key == metric else f'region {key} (cells)')
        axes.legend()
    temporary = path.with_suffix('.new.png')
    figure.savefig(temporary, dpi=100)
    os.replace(temporary, path)


def _xy(curve: list[dict[str, float]], key: str) -> tuple[list[float], list[float]]:
    return [point['videos'] for point in curve], [point[key] for point in curve]


def _write(path: Path, text: str) -> None:
    path.with_suffix('.new').write_text(text)
    os.replace(path.with_suffix('.new'), path)


if __name__ == '__main__':
    main()
