"""Train several configs with several seeds for a given time, and compare them.

Example:
    cd configs/multisyncmnist; python ../../tools/analysis/study.py r18_fixed.py r18_dyreg.py --seeds 0 1 --minutes 600

The runs take turns, one portion of iterations each, so that they have seen the same number of videos when the study
ends. Each run is trained by MMEngine's runner with the schedules, hooks and losses of its config. Its length is that of
the config, or --videos. The study can be interrupted: the same command continues it. After each portion the output
folder is updated: ``study.md`` (table), ``study.json`` (curves), ``study.png`` (plot) and one folder per run with
checkpoint and scalars.
"""

import argparse
from pathlib import Path

import torch
from mmengine.config import DictAction

import dyreg_mmaction  # noqa: F401  (registers all modules)
from dyreg_mmaction.cli.launch import exit_with_message, load_config
from dyreg_mmaction.cli.processes import hold_work_dir
from dyreg_mmaction.study import StudyRun, run_study


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('configs', nargs='+', type=Path, help='config files; runs are named after them')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of each config')
    parser.add_argument('--minutes', type=float, default=60, help='total time of this call')
    parser.add_argument('--videos', type=int, help='training videos of each run; by default the length in its config')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/study'), help='folder of the study')
    parser.add_argument('--portion', type=int, default=200, help='iterations between evaluations')
    parser.add_argument('--val-videos', type=int, default=1000, help='number of validation videos')
    parser.add_argument('--metrics', nargs='+', default=['acc/top1'], help='metrics of table and plot')
    parser.add_argument('--threads', type=int, help='CPU threads; by default one per core')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='settings to override in all configs, as key=value'
    )
    args = parser.parse_args()
    for option in ('portion', 'videos', 'val_videos', 'threads'):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            parser.error(f'--{option.replace("_", "-")} {getattr(args, option)} must be at least 1')
    if len(set(args.seeds)) < len(args.seeds):
        parser.error(f'--seeds {" ".join(map(str, args.seeds))} must differ from each other')
    return args


def main() -> None:
    """Run the study of the command line."""
    args = parse_args()
    names = [path.stem for path in args.configs]
    if len(set(names)) < len(names):
        raise ValueError(f'the configs {names} must have different file names, because runs are named after them')
    if args.threads:
        torch.set_num_threads(args.threads)
    hold_work_dir(str(args.out), '--out')
    settings = dict(cfg_options=args.cfg_options, work_dir=str(args.out), launcher='none')
    configs = {path.stem: load_config(argparse.Namespace(config=path, **settings)) for path in args.configs}
    runs = [StudyRun(name, cfg, seed, args) for seed in args.seeds for name, cfg in configs.items()]
    run_study(runs, args.out, args.minutes, args.metrics)


if __name__ == '__main__':
    with exit_with_message():
        main()
