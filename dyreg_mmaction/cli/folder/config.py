"""The config of a training on own videos: a few lines on a base of this package."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .plan import Plan
from .weights import Start

BASES = {model: f'dyreg_mmaction::tsm_{model}_dyreg-motion_folder.py' for model in ('r50', 'r18')}
BASE_FRAMES = 8
SPLITS = ('train', 'val', 'test')


class Data(NamedTuple):
    """What the config has of the data.

    Attributes:
        videos: Folder that the lists start from; '' where their paths are absolute.
        out: Folder of the lists.
        classes: Names of the classes.
        test_list: Name of the list to test on.
        decoder: 'decord' or 'pyav'.
        flip: Whether a mirrored video keeps its class.
        weights: Of the classes in the loss; None: all count the same.
    """

    videos: str
    out: Path
    classes: Sequence[str]
    test_list: str
    decoder: str
    flip: bool
    weights: Sequence[float] | None


def config_text(data: Data, start: Start, plan: Plan) -> str:
    """A config file that tools/train.py, tools/test.py and MMAction2's own tools read."""
    frames = [f'num_segments={plan.frames}'] if plan.frames != BASE_FRAMES else []
    backbone = [*frames, *([f'pretrained={start.pretrained!r}'] if start.model == 'r50' else [])]
    head = [*frames, f'num_classes={len(data.classes)}']
    if data.weights is not None:
        weights = [round(weight, 4) for weight in data.weights]
        head.append(f"loss_cls=dict(type='CrossEntropyLoss', class_weight={weights})")
    parts = [f'backbone=dict({", ".join(backbone)})'] if backbone else []
    parts.append(f'cls_head=dict({", ".join(head)})')
    lines = [
        '# Written by train_folder. Edit it as you like: the same command then uses it as it is.',
        f'_base_ = {BASES[start.model]!r}',
        '',
        f'videos = {data.videos!r}',
        f'lists = {str(data.out)!r}',
        "data = dict(data_prefix=dict(video=videos), metainfo=dict(classes=f'{lists}/classes.txt'))",
        *(_loader(split, data, plan) for split in SPLITS),
        f'model = dict({", ".join(parts)})',
        f'train_cfg = dict(max_epochs={plan.epochs}, val_interval={max(1, plan.epochs // 10)})',
        f'optim_wrapper = dict(optimizer=dict(lr={plan.lr!r}))',
        "_base_.test_evaluator[1].out_file = f'{lists}/predictions.csv'",
    ]
    lines += [f'load_from = {start.load_from!r}'] if start.load_from else []
    return '\n'.join([*lines, *_transforms(data, plan)]) + '\n'


def _loader(split: str, data: Data, plan: Plan) -> str:
    batch = f'batch_size={plan.batch_size}, ' if split == 'train' else ''
    name = data.test_list if split == 'test' else f'{split}.txt'
    dataset = f"dataset=dict(data, ann_file=f'{{lists}}/{name}')"
    return f'{split}_dataloader = dict({batch}num_workers={plan.workers}, {dataset})'


def _transforms(data: Data, plan: Plan) -> list[str]:
    """Lines that change single transforms of the base."""
    lines = []
    if plan.frames != BASE_FRAMES:
        lines += [f'_base_.{split}_dataloader.dataset.pipeline[1].num_clips = {plan.frames}' for split in SPLITS]
    if data.decoder != 'decord':
        lines += [f'_base_.{split}_dataloader.dataset.pipeline[0].decoder = {data.decoder!r}' for split in SPLITS]
    if not data.flip:
        lines += ['_base_.train_dataloader.dataset.pipeline[6].flip_ratio = 0  # class names have sides']
    return lines
