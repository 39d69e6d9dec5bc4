"""Train a recognizer, on GPUs or CPUs. The options are those of MMAction2's tools/train.py."""

import argparse
import os

from mmengine.config import Config, DictAction

from .launch import TRAINING, build_runner, exit_with_message, load_config
from .named_files import check_data, check_weights
from .options import (
    check_regions_attached,
    check_schedule,
    make_resumable,
    set_amp,
    set_auto_scale_lr,
    set_randomness,
    set_resume,
    watch_numbers,
)
from .processes import hold_work_dir, is_first_process, one_of_several
from .restarts import resume_after_restart


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/CONFIG_NAME)')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='checkpoint to resume from (without a value: the latest one in the work dir, if any)',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train in mixed precision: float16 on a GPU, bfloat16 on a CPU'
    )
    parser.add_argument('--no-validate', action='store_true', help='disable validation during training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by total batch size / auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--seed', type=int, help='random seed')
    parser.add_argument('--diff-rank-seed', action='store_true', help='use a different seed in each process')
    parser.add_argument('--deterministic', action='store_true', help='use deterministic cuDNN algorithms')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def apply_options(cfg: Config, args: argparse.Namespace) -> tuple[str, float | None]:
    """Apply command-line options to the config, check its files and lock the work dir.

    Returns:
        tuple[str, float | None]: Message to log, and start time of the run, see :func:`.hold_work_dir`.
    """
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        set_amp(cfg)
    if args.auto_scale_lr:
        set_auto_scale_lr(cfg)
    set_randomness(cfg, args)
    check_schedule(cfg)
    check_regions_attached(cfg, 'val')
    make_resumable(cfg)
    watch_numbers(cfg)
    check_data(cfg, 'train_dataloader', 'val_dataloader')
    since = hold_work_dir(cfg.work_dir) if is_first_process(args.launcher) else None
    message = set_resume(cfg, args.resume)
    check_weights(cfg)
    return message, since


def train(args: argparse.Namespace) -> None:
    """Build the runner and train."""
    with exit_with_message():
        cfg = load_config(args, TRAINING)
        message, since = apply_options(cfg, args)
    runner = build_runner(cfg)
    if message:
        runner.logger.info(message)
    resume_after_restart(runner, since)
    runner.train()


def main() -> None:
    """Train with the config of the command line."""
    args = parse_args()
    with one_of_several(args.launcher):
        train(args)
