"""Test a recognizer, on GPUs or CPUs. The options are those of MMAction2's tools/test.py, and --fuse."""

import argparse
import os

from mmengine.config import Config, DictAction

from dyreg_mmaction.checkpoints import load_file

from .launch import TEST, build_runner, exit_with_message, load_config
from .named_files import check_data
from .options import check_regions_attached
from .processes import one_of_several


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder for logs (default: work_dirs/CONFIG_NAME)')
    parser.add_argument('--dump', help='write the predictions to this pickle file')
    parser.add_argument('--show-dir', help='write the labeled clips to this folder')
    parser.add_argument('--show', action='store_true', help='show the labeled clips in a window')
    parser.add_argument('--interval', type=int, default=1, help='show every N-th clip')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show each clip')
    parser.add_argument(
        '--fuse',
        nargs='?',
        const='float32',
        choices=['float32', 'bfloat16', 'float16'],
        help='test a faster copy of the model; bfloat16 for CPUs with AMX or AVX512-BF16, and GPUs (default: float32)',
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    if args.dump and not args.dump.endswith(('.pkl', '.pickle')):
        parser.error(f'--dump {args.dump} must end in .pkl or .pickle')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def show(cfg: Config, args: argparse.Namespace) -> None:
    """Add MMAction2's hook that draws clips with their labels."""
    hook = dict(
        type='VisualizationHook',
        enable=True,
        show=args.show,
        wait_time=args.wait_time,
        out_dir=args.show_dir,
        interval=args.interval,
    )
    cfg.default_hooks = dict(cfg.get('default_hooks') or {}, visualization=hook)


def dump(cfg: Config, path: str) -> None:
    """Add MMEngine's metric that writes the predictions."""
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    cfg.test_evaluator = [*evaluators, dict(type='DumpResults', out_file_path=path)]


def apply_options(cfg: Config, args: argparse.Namespace) -> None:
    """Apply command-line options to the config and check its files."""
    if args.show or args.show_dir:
        show(cfg, args)
    if args.dump:
        dump(cfg, args.dump)
    check_regions_attached(cfg, 'test')
    if args.fuse:
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='dyreg_mmaction.FuseHook', dtype=args.fuse)]
    cfg.load_from, cfg.resume = args.checkpoint, False
    if '://' not in args.checkpoint:
        load_file(args.checkpoint)  # raises an error if the file is damaged
    check_data(cfg, 'test_dataloader')


def test(args: argparse.Namespace) -> None:
    """Build the runner and run the test."""
    with exit_with_message():
        cfg = load_config(args, TEST)
        apply_options(cfg, args)
    build_runner(cfg).test()


def main() -> None:
    """Test the checkpoint of the command line."""
    args = parse_args()
    with one_of_several(args.launcher):
        test(args)
