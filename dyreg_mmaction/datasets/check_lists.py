"""Check of video lists before training, because a wrong line would end or spoil the training hours later."""

import os.path as osp
import re
from collections.abc import Iterator

from mmengine.fileio import list_from_file

from .boxes.table import BoxTable
from .leaves import leaf_datasets

FIELDS = dict(VideoDataset=('name',), RawframeDataset=('folder', 'frames'))
PREFIX = dict(VideoDataset='video', RawframeDataset='img')  # key of the data folder in data_prefix


def check_lists(dataset: dict, where: str, num_classes: int | None = None, unlabeled: bool = False) -> None:
    """Check the list of a VideoDataset or RawframeDataset, also inside RepeatDataset and ConcatDataset.

    Args:
        dataset (dict): The config of the dataset.
        where (str): Its path in the config.
        num_classes (int, optional): Number of classes of the model.
        unlabeled (bool): Whether a list without labels is valid, as for a test whose predictions are dumped.

    Raises:
        ValueError: If the list is empty, a line is malformed or points outside the data folder, a label is not one of
            the classes, ``LoadBoxes`` of the pipeline has no boxes of a video, or two videos match the same boxes.
    """
    for place, leaf in leaf_datasets(dataset, where):
        _check_list(leaf, place, num_classes, unlabeled)


def _check_list(dataset: dict, where: str, num_classes: int | None, unlabeled: bool) -> None:
    kind = str(dataset.get('dataset_type', dataset.get('type'))).rpartition('.')[2]
    if kind in FIELDS:
        path = osp.join(dataset.get('data_root') or '', dataset['ann_file'])
        lines = [line.strip() for line in list_from_file(path)]
        if not lines:
            raise ValueError(f'{path} lists no videos; set {where}.ann_file to a list of videos')
        delimiter = dataset.get('delimiter', ' ') if kind == 'VideoDataset' else None
        form = (*FIELDS[kind][:1], 'offset', 'frames') if dataset.get('with_offset') else FIELDS[kind]
        unlabeled &= all(len(line.split(delimiter)) == len(form) for line in lines)
        many = bool(dataset.get('multi_class'))
        names = [
            _check_line(line.split(delimiter), form, f'{path}, line {number}', num_classes, unlabeled, many)
            for number, line in enumerate(lines, start=1)
        ]
        folder = osp.join(dataset.get('data_root') or '', (dataset.get('data_prefix') or {}).get(PREFIX[kind]) or '')
        for number, name in enumerate(names, start=1):
            if leaves_folder(name, folder):
                raise ValueError(
                    f'{path}, line {number}: {name!r} is outside the data folder {folder!r}; use paths relative to it, '
                    f"or absolute paths without data_root and with data_prefix=dict({PREFIX[kind]}='')"
                )
        _check_boxes(dataset, names, path)


def leaves_folder(name: str, folder: str) -> bool:
    """Return whether a path points outside a folder, on any system.

    A downloaded list must not access other files of the user. Without a folder ('') all paths are allowed.
    """
    if not folder:
        return False
    if '..' in re.split(r'[/\\]', name):
        return True
    if osp.isabs(name):
        return not osp.abspath(name).startswith(osp.join(osp.abspath(folder), ''))
    return bool(re.match(r'[/\\~]|[A-Za-z]:[/\\]', name))


def _check_line(
    fields: list[str], form: tuple[str, ...], place: str, num_classes: int | None, unlabeled: bool, many: bool
) -> str:
    """Check a line of a list and return the name of the video."""
    line, labels = ' '.join(fields), fields[len(form) :]
    if not line:
        raise ValueError(f'{place} is blank; remove it')
    if len(fields) < len(form) or not (labels or unlabeled):
        raise ValueError(f'{place} is {line!r}, which has too few fields; write "{" ".join(form)} label"')
    numbers = [*fields[1 : len(form)], *labels]
    if (len(labels) > 1 and not many) or not all(field.removeprefix('-').isdecimal() for field in numbers):
        raise ValueError(
            f'{place} is {line!r}, but should be "{" ".join(form)} label" with integers after the name; rename files '
            "with spaces, or set another delimiter (delimiter='\\t' of a VideoDataset, with tabs in the list)"
        )
    if len(form) > 1 and int(fields[len(form) - 1]) < 1:
        raise ValueError(f'{place}: {fields[0]!r} has {fields[len(form) - 1]} frames; remove it from the list')
    for label in map(int, labels):
        if label < 0 or (num_classes and label >= num_classes):
            raise ValueError(
                f'{place}: video {fields[0]!r} has label {label}, but labels of {num_classes} classes are 0 to '
                f'{num_classes - 1 if num_classes else "..."}; set model.cls_head.num_classes, or fix the list'
            )
    return fields[0]


def _check_boxes(dataset: dict, names: list[str], path: str) -> None:
    for step in _flatten(dataset.get('pipeline') or []):
        if step['type'] in ('LoadBoxes', 'LoadObjects') and step.get('ann_file'):
            table = BoxTable(step['ann_file'], step.get('num_boxes', 9) if step['type'] == 'LoadBoxes' else None)
            table.check_unique(names)
            missing = table.missing(names) if step['type'] == 'LoadBoxes' else []
            if missing:
                raise ValueError(
                    f'{len(missing)} of {len(names)} videos of {path} have no boxes in {step["ann_file"]}, e.g. '
                    f'{missing[0]}; run tools/data/extract_boxes.py for them, or remove them from the list'
                )


def _flatten(steps: list[dict]) -> Iterator[dict]:
    """Yield the transforms of a pipeline, including nested ones."""
    for step in steps:
        yield step
        yield from _flatten(step.get('transforms') or [])
