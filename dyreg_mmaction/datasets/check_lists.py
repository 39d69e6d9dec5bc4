"""Lists of videos looked through before a training, which a wrong line would end, or spoil, hours later."""

import os.path as osp
import re
from collections.abc import Iterator

from mmengine.fileio import list_from_file

from .boxes.table import BoxTable
from .leaves import leaf_datasets

FIELDS = dict(VideoDataset=('name',), RawframeDataset=('folder', 'frames'))
PREFIX = dict(VideoDataset='video', RawframeDataset='img')  # key of the data folder in data_prefix


def check_lists(dataset: dict, where: str, num_classes: int | None = None, unlabelled: bool = False) -> None:
    """Look through the list of a VideoDataset or RawframeDataset, also inside RepeatDataset and ConcatDataset.

    Args:
        dataset (dict): The config of the dataset.
        where (str): Its place in the whole config.
        num_classes (int, optional): Number of classes of the model.
        unlabelled (bool): Whether a list without any label is right, as for a test whose predictions are dumped.

    Raises:
        ValueError: If the list is empty, a line is not of its form or leads out of the data folder, a label is none of
            the classes, ``LoadBoxes`` of the pipeline has no boxes of a video, or two videos would have the same boxes.
    """
    for place, leaf in leaf_datasets(dataset, where):
        _check_list(leaf, place, num_classes, unlabelled)


def _check_list(dataset: dict, where: str, num_classes: int | None, unlabelled: bool) -> None:
    kind = str(dataset.get('dataset_type', dataset.get('type'))).rpartition('.')[2]
    if kind in FIELDS:
        path = osp.join(dataset.get('data_root') or '', dataset['ann_file'])
        lines = [line.strip() for line in list_from_file(path)]
        if not lines:
            raise ValueError(f'{path} names no videos; set {where}.ann_file to a list that does')
        delimiter = dataset.get('delimiter', ' ') if kind == 'VideoDataset' else None
        form = (*FIELDS[kind][:1], 'offset', 'frames') if dataset.get('with_offset') else FIELDS[kind]
        unlabelled &= all(len(line.split(delimiter)) == len(form) for line in lines)
        many = bool(dataset.get('multi_class'))
        names = [
            _check_line(line.split(delimiter), form, f'{path}, line {number}', num_classes, unlabelled, many)
            for number, line in enumerate(lines, start=1)
        ]
        folder = osp.join(dataset.get('data_root') or '', (dataset.get('data_prefix') or {}).get(PREFIX[kind]) or '')
        for number, name in enumerate(names, start=1):
            if leaves_folder(name, folder):
                raise ValueError(
                    f'{path}, line {number}: {name!r} leads out of the data folder {folder!r}; name what is in it, '
                    f"from there, or use absolute paths without data_root and with data_prefix=dict({PREFIX[kind]}='')"
                )
        _check_boxes(dataset, names, path)


def leaves_folder(name: str, folder: str) -> bool:
    """Whether a path leads out of a folder, on any system: a list from elsewhere must not reach the user's other files.

    Without a folder, '', there is none to leave: the list is of the user's own paths.
    """
    if not folder:
        return False
    if '..' in re.split(r'[/\\]', name):
        return True
    if osp.isabs(name):
        return not osp.abspath(name).startswith(osp.join(osp.abspath(folder), ''))
    return bool(re.match(r'[/\\~]|[A-Za-z]:[/\\]', name))


def _check_line(
    fields: list[str], form: tuple[str, ...], place: str, num_classes: int | None, unlabelled: bool, many: bool
) -> str:
    """The name of the video in a line of a list."""
    line, labels = ' '.join(fields), fields[len(form) :]
    if not line:
        raise ValueError(f'{place} is blank; take it out')
    if len(fields) < len(form) or not (labels or unlabelled):
        raise ValueError(f'{place}, {line!r}, lacks something: it should be "{" ".join(form)} label"')
    numbers = [*fields[1 : len(form)], *labels]
    if (len(labels) > 1 and not many) or not all(field.removeprefix('-').isdecimal() for field in numbers):
        raise ValueError(
            f'{place}, {line!r}, should be "{" ".join(form)} label", all but the first whole numbers; names with '
            "spaces need another delimiter (delimiter='\\t' of a VideoDataset, with tabs in the list) or to be renamed"
        )
    if len(form) > 1 and int(fields[len(form) - 1]) < 1:
        raise ValueError(f'{place}: {fields[0]!r} has {fields[len(form) - 1]} frames; take it out')
    for label in map(int, labels):
        if label < 0 or (num_classes and label >= num_classes):
            raise ValueError(
                f'{place}: video {fields[0]!r} has label {label}, but labels of {num_classes} classes are 0 to '
                f'{num_classes - 1 if num_classes else "..."}; set model.cls_head.num_classes, or mend the list'
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
                    f'{missing[0]}; run tools/data/extract_boxes.py for them, or take them off the list'
                )


def _flatten(steps: list[dict]) -> Iterator[dict]:
    """The transforms of a pipeline and those inside others."""
    for step in steps:
        yield step
        yield from _flatten(step.get('transforms') or [])
