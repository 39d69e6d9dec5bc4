"""Options of the commands that draw or explain clips: which clips, and what is known of them."""

from argparse import ArgumentParser, Namespace

import torch
from mmengine.config import Config, DictAction

from dyreg_mmaction.visualization.inputs import ClipInput, dataset_inputs, file_inputs

from .named_files import check_data


def add_clip_options(parser: ArgumentParser, num: int) -> None:
    """Add config, checkpoint, and the options that :func:`find_inputs` and class_names need.

    Args:
        parser (ArgumentParser): The parser of a command.
        num (int): Default number of clips of a dataset.
    """
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('videos', nargs='*', help='video files, or folders of frames where the config reads those')
    parser.add_argument('--dataset', choices=['train', 'val', 'test'], help='clips of this dataset of the config')
    parser.add_argument('--num', type=int, default=num, help='number of clips of the dataset, from all over it')
    parser.add_argument('--boxes', help="objects, as JSON in Something-Else's form; without it, those of the dataset")
    parser.add_argument('--ann-height', type=int, help='height of the frames in which the boxes were annotated')
    parser.add_argument('--labels', help='names of the classes, one a line, or labels.json of Something-Something V2')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='settings to override, as key=value')


def check_clip_options(parser: ArgumentParser, args: Namespace) -> None:
    """End the program with a message if the options contradict each other."""
    if bool(args.videos) == bool(args.dataset):
        parser.error('give either videos or --dataset')
    if args.ann_height and not args.boxes:
        parser.error(f'--ann-height {args.ann_height} is that of --boxes, which are not given')
    if args.num < 1:
        parser.error(f'--num {args.num} must be at least 1')


def find_inputs(args: Namespace, cfg: Config) -> list[ClipInput]:
    """Find the clips that the options choose.

    Raises:
        FileNotFoundError: If a file that the dataset needs is missing.
        ValueError: If a list or the boxes of the dataset are wrong, see :func:`.check_data` and :func:`.file_inputs`.
    """
    objects = dict(type='LoadObjects', ann_file=args.boxes, ann_height=args.ann_height) if args.boxes else None
    if not args.dataset:
        return file_inputs(cfg, args.videos, objects)
    check_data(cfg, f'{args.dataset}_dataloader')
    return dataset_inputs(cfg, args.dataset, args.num, objects)
