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
from pathlib import Path

import torch
from mmengine.config import DictAction

import dyreg_mmaction  # noqa: F401  (registers what configs name)
from dyreg_mmaction.cli.launch import load_config
from dyreg_mmaction.study import StudyRun, run_study


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
    runs = [StudyRun(name, cfg, seed, args) for seed in args.seeds for name, cfg in configs.items()]
    run_study(runs, args.out, args.minutes, args.metrics)


if __name__ == '__main__':
    main()
