"""Config for training on own videos: a few lines based on a config of this package."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .plan import Plan
from .weights import Start

BASES = {model: f'dyreg_mmaction::tsm_{model}_dyreg-motion_folder.py' for model in ('r50', 'r18')}
SHORT_SIDES = dict(r50=256, r18=128)  # of the frames after the first Resize
BASE_FRAMES = 8
SPLITS = ('train', 'val', 'test')


class Data(NamedTuple):
    """Data settings of the config.

    Attributes:
        videos (str): Root folder of the paths in the lists. Empty if the paths are absolute.
        out (Path): Folder of the lists.
        classes (Sequence[str]): Class names.
        test_list (str): Name of the list for testing.
        decoder (str): 'decord' or 'pyav'.
        flip (bool): Whether a mirrored video keeps its class.
        weights (Sequence[float], optional): Class weights of the loss. None: equal weights.
        copies (str): Folder of small copies for training, in ``out``. Empty if there are none.
    """

    videos: str
    out: Path
    classes: Sequence[str]
    test_list: str
    decoder: str
    flip: bool
    weights: Sequence[float] | None
    copies: str = ''


def config_text(data: Data, start: Start, plan: Plan) -> str:
    """Return the text of a config file for tools/train.py, tools/test.py and MMAction2's own tools."""
    frames = [f'num_segments={plan.frames}'] if plan.frames != BASE_FRAMES else []
    backbone = [*frames, *([f'pretrained={start.pretrained!r}'] if start.model == 'r50' else [])]
    head = [*frames, f'num_classes={len(data.classes)}']
    if data.weights is not None:
        weights = [round(weight, 4) for weight in data.weights]
        head.append(f"loss_cls=dict(type='CrossEntropyLoss', class_weight={weights})")
    sections = [f'backbone=dict({", ".join(backbone)})'] if backbone else []
    sections.append(f'cls_head=dict({", ".join(head)})')
    lines = [
        '# Written by `dyreg folder` or tools/train_folder.py. The same command keeps your changes.',
        f'_base_ = {BASES[start.model]!r}',
        '',
        f'videos = {data.videos!r}',
        f'lists = {str(data.out)!r}',
        "data = dict(data_prefix=dict(video=videos), metainfo=dict(classes=f'{lists}/classes.txt'))",
        *_copies(data),
        *(_loader(split, data, plan) for split in SPLITS),
        f'model = dict({", ".join(sections)})',
        f'train_cfg = dict(max_epochs={plan.epochs}, val_interval={max(1, plan.epochs // 10)})',
        f'optim_wrapper = dict(optimizer=dict(lr={plan.lr!r}))',
        "_base_.test_evaluator[1].out_file = f'{lists}/predictions.csv'",
    ]
    lines += [f'load_from = {start.load_from!r}'] if start.load_from else []
    return '\n'.join([*lines, *_transforms(data, plan)]) + '\n'


def _copies(data: Data) -> list[str]:
    if not data.copies:
        return []
    folder = f'{{lists}}/{data.copies}'
    return [f"small = dict(ann_file=f'{folder}/train.txt', data_prefix=dict(video=f'{folder}'))"]


def find_copies(text: str) -> int | None:
    """Return the short side of the small copies that a config reads, None if it reads none."""
    found = re.search(r'/small_(\d+)/train\.txt', text)
    return int(found[1]) if found else None


def _loader(split: str, data: Data, plan: Plan) -> str:
    batch = f'batch_size={plan.batch_size}, ' if split == 'train' else ''
    name = data.test_list if split == 'test' else f'{split}.txt'
    dataset = f"dataset=dict(data, ann_file=f'{{lists}}/{name}')"
    if split == 'train' and data.copies:
        dataset = 'dataset=dict(data, **small)'
    return f'{split}_dataloader = dict({batch}num_workers={plan.workers}, {dataset})'


def _transforms(data: Data, plan: Plan) -> list[str]:
    """Return lines that change transforms of the base config."""
    lines = []
    if plan.frames != BASE_FRAMES:
        lines += [f'_base_.{split}_dataloader.dataset.pipeline[1].num_clips = {plan.frames}' for split in SPLITS]
    if data.decoder != 'decord':
        lines += [f'_base_.{split}_dataloader.dataset.pipeline[0].decoder = {data.decoder!r}' for split in SPLITS]
    if not data.flip:
        lines += ['_base_.train_dataloader.dataset.pipeline[6].flip_ratio = 0  # class names contain sides']
    return lines
