"""Names of the classes of a dataset, from its config and the files around its list."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dyreg_mmaction.registry import DATASETS

FOLDERS = ('', 'labels', 'annotations')  # from that of the list on
FILES = ('classes.txt', 'labels.json', 'something-something-v2-labels.json', 'something-something-v1-labels.csv')


def dataset_classes(settings: Mapping[str, Any], num_classes: int | None = None) -> list[str] | None:
    """Names of the classes of a dataset.

    They are those of its ``metainfo`` (names, or a file of names), of its class, or of a file next to its list:
    classes.txt with a name a line, or the labels of Something-Something, which may also be in labels/ or annotations/.

    Args:
        settings (Mapping): The config of a dataset that holds no other.
        num_classes (int, optional): Number of classes of the model; files next to the list with another number are not
            meant.

    Returns:
        list[str]: None if nothing knows them.
    """
    kind = settings.get('dataset_type', settings.get('type'))  # that of a ReplaceDamaged
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    for known in (settings.get('metainfo') or {}, getattr(kind, 'METAINFO', {})):
        names = known.get('classes')
        if isinstance(names, str):
            names = read_classes(Path(names)) if Path(names).is_file() else None
        if names:
            return list(names)
    return _search(settings, num_classes)


def read_classes(path: Path) -> list[str]:
    """Names of a file with one a line, or of Something-Something V2's labels.json.

    Raises:
        ValueError: If the latter is of another form.
    """
    text = path.read_text(encoding='utf-8-sig')
    if path.suffix == '.json':
        numbers = json.loads(text)
        if not isinstance(numbers, dict):
            raise ValueError(f'{path} should be {{"class": "number", ...}}')
        return sorted(numbers, key=lambda name: int(numbers[name]))
    return [line.strip() for line in text.splitlines() if line.strip()]


def _search(settings: Mapping[str, Any], num_classes: int | None) -> list[str] | None:
    if not isinstance(settings.get('ann_file'), str) or not settings['ann_file']:
        return None
    root = settings.get('data_root') or ''
    start = Path(os.path.join(root, settings['ann_file'])).parent
    for path in (start / folder / name for folder in FOLDERS for name in FILES):
        try:
            names = read_classes(path)
        except (OSError, ValueError, TypeError):  # a guess: the file may be anything
            continue
        if names and (num_classes is None or len(names) == num_classes):
            return names
    return None
