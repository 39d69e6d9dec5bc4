"""Options of the commands that draw or explain clips."""

from argparse import ArgumentParser, Namespace

import torch
from mmengine.config import Config, DictAction

from dyreg_mmaction.visualization.inputs import ClipInput, dataset_inputs, file_inputs

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
