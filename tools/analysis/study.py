"""Train several configs with several seeds for a given time, and compare them.

Example:
    cd configs/multisyncmnist; python ../../tools/analysis/study.py r18_fixed.py r18_dyreg.py --seeds 0 1 --minutes 600

The runs take turns, a portion of iterations each, so that they have seen equally many videos whenever the study ends.
Each is a training by MMEngine's runner with the schedules, hooks and losses of its config, as long as that says or as
--videos does. Interrupt it whenever you like: the same command goes on where it was. The folder receives, after each
portion, ``study.md`` (the table), ``study.json`` (all curves), ``study.png`` (the plot) and, in a folder for each run,
its checkpoint and scalars.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import DictAction

import dyreg_mmaction  # noqa: F401  (registers what configs name)
from dyreg_mmaction.cli.launch import load_config
from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.study import StudyRun


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('configs', nargs='+', type=Path, help='config files; a run is named after its file')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of each config')
    parser.add_argument('--minutes', type=float, default=60, help='time for all runs together, of this call')
    parser.add_argument('--videos', type=int, help='length of each run; by default that of its config')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/study'), help='folder of the study')
    parser.add_argument('--portion', type=int, default=200, help='iterations from one evaluation to the next')
    parser.add_argument('--val-videos', type=int, default=1000, help='videos to evaluate on')
    parser.add_argument('--metrics', nargs='+', default=['acc/top1'], help='metrics of table and plot')
    parser.add_argument('--threads', type=int, help='threads of this process; by default as many as there are cores')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='settings of all configs, k=v')
    args = parser.parse_args()
    for option in ('portion', 'videos', 'val_videos', 'threads'):
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
    args.out.mkdir(parents=True, exist_ok=True)
    settings = dict(cfg_options=args.cfg_options, work_dir=str(args.out), launcher='none')
    configs = {path.stem: load_config(argparse.Namespace(config=path, **settings)) for path in args.configs}
    run_study([StudyRun(name, cfg, seed, args) for seed in args.seeds for name, cfg in configs.items()], args)


def run_study(runs: list[StudyRun], args: argparse.Namespace) -> None:
    """Turns of all runs until the next portion would not fit into the time."""
    end, longest = time.monotonic() + 60 * args.minutes, 0.0
    while going := [run for run in runs if not run.finished]:
        if time.monotonic() + longest >= end:
            break
        began = time.monotonic()
        run = min(going, key=lambda run: run.videos)
        run.portion()
        longest = max(longest, time.monotonic() - began)
        if run.diverged:  # the others go on
            print(run.diverged, flush=True)
        else:
            point = run.curve[-1]
            if missing := [metric for metric in args.metrics if metric not in point]:
                raise ValueError(f'--metrics {missing[0]} is not measured; choose from {", ".join(point)}')
            numbers = ' '.join(f'{key} {value:.4g}' for key, value in point.items())
            print(f'{run.name} seed {run.seed}: {numbers} | {(end - time.monotonic()) / 60:.0f} min left', flush=True)
        write_report(runs, args)
    write_report(runs, args)


def write_report(runs: list[StudyRun], args: argparse.Namespace) -> None:
    """Table, curves and plot, of the runs that have a portion done."""
    runs = [run for run in runs if run.curve or run.diverged]
    if not runs:
        print(f'{args.minutes} minutes are too few for one portion of {args.portion} iterations')
        return
    keys = ('name', 'seed', 'num_parameters', 'diverged', 'curve')
    _write(args.out / 'study.json', json.dumps([{key: getattr(run, key) for key in keys} for run in runs], indent=1))
    _write(args.out / 'study.md', table(runs, args.metrics))
    plot([run for run in runs if run.curve], args.metrics, args.out / 'study.png')


def table(runs: list[StudyRun], metrics: list[str]) -> str:
    """Markdown table: each config at the largest number of videos that all runs have seen, mean and spread of seeds."""
    videos = min((run.videos for run in runs if not run.diverged), default=0)
    lines = [
        f'At the first evaluation after {videos:,} videos, mean ± standard deviation over the seeds; '
        'shift and motion of the regions in cells.\n',
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


def plot(runs: list[StudyRun], metrics: list[str], path: Path) -> None:
    """Curves of the metrics and, where there are regions, of their shift and motion: a line for each seed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f'matplotlib is not installed, so {path.name} is not drawn: pip install matplotlib')
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


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write_text(text)


if __name__ == '__main__':
    main()
