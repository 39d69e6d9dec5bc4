"""Options of the commands that draw or explain clips."""

import shlex
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from dyreg_mmaction import __version__
from dyreg_mmaction.datasets.leaves import leaf_datasets
from dyreg_mmaction.visualization.inputs import ClipInput, dataset_inputs, file_inputs
from dyreg_mmaction.visualization.report import ReportWriter
from dyreg_mmaction.visualization.training_curves import read_curves

from .named_files import check_data


def add_clip_options(parser: ArgumentParser, num: int) -> None:
    """Add config, checkpoint and the options that :func:`find_inputs` and class_names use.

    Args:
        parser (ArgumentParser): Parser of the command.
        num (int): Default number of clips from a dataset.
    """
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('videos', nargs='*', help='video files, or folders of frames if the config reads frames')
    parser.add_argument(
        '--dataset', choices=['train', 'val', 'test'], help='take clips from this dataset of the config'
    )
    parser.add_argument('--num', type=int, default=num, help='number of clips, evenly spaced over the dataset')
    parser.add_argument(
        '--boxes', help="JSON file with objects in Something-Else's format (default: those of the dataset)"
    )
    parser.add_argument('--ann-height', type=int, help='height in pixels of the annotated frames of --boxes')
    parser.add_argument('--labels', help='class names, one per line, or labels.json of Something-Something V2')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')


def check_clip_options(parser: ArgumentParser, args: Namespace) -> None:
    """Exit with a usage message if the options contradict each other."""
    if bool(args.videos) == bool(args.dataset):
        parser.error('pass either videos or --dataset')
    if args.ann_height and not args.boxes:
        parser.error(f'--ann-height {args.ann_height} needs --boxes')
    if args.num < 1:
        parser.error(f'--num {args.num} must be at least 1')


def find_inputs(args: Namespace, cfg: Config) -> list[ClipInput]:
    """Find the clips selected by the options.

    Raises:
        FileNotFoundError: If a file that the dataset needs is missing.
        ValueError: If an annotation list or the boxes are invalid, see :func:`.check_data` and :func:`.file_inputs`.
    """
    objects = dict(type='LoadObjects', ann_file=args.boxes, ann_height=args.ann_height) if args.boxes else None
    if not args.dataset:
        return file_inputs(cfg, args.videos, objects)
    check_data(cfg, f'{args.dataset}_dataloader')
    return dataset_inputs(cfg, args.dataset, args.num, objects)


def open_report(args: Namespace, cfg: Config, out: Path, title: str = '') -> ReportWriter:
    """Create report.html with checkpoint, data and command of this run, and the curves of the training.

    Args:
        args (Namespace): Options of the command line.
        cfg (Config): Config of the model.
        out (Path): Folder of the report.
        title (str): Start of the title.

    Returns:
        ReportWriter: The report.
    """
    path, loader = Path(args.config), cfg.get(f'{args.dataset}_dataloader') or {}
    leaves = [leaf for _, leaf in leaf_datasets(loader.get('dataset'))]
    sources = [str(leaf.get('ann_file') or leaf.get('data_root') or leaf['type']) for leaf in leaves]
    about = dict(
        checkpoint=args.checkpoint,
        config=args.config,
        data=f'{args.dataset}: {", ".join(sources)}' if args.dataset else f'{len(args.videos)} files',
        command=f'{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}',
        version=f'dyreg_mmaction {__version__}',
        date=time.strftime('%Y-%m-%d %H:%M'),
    )
    # configs named config.py are identified by their folder
    title += path.stem if path.stem != 'config' else path.resolve().parent.name
    return ReportWriter(out / 'report.html', title, about, read_curves(Path(args.checkpoint).parent))
