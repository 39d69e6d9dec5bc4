"""Class names of a dataset, from its config or from files next to its list."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dyreg_mmaction.registry import DATASETS

FOLDERS = ('', 'labels', 'annotations')  # relative to the folder of the list
FILES = ('classes.txt', 'labels.json', 'something-something-v2-labels.json', 'something-something-v1-labels.csv')


def dataset_classes(settings: Mapping[str, Any], num_classes: int | None = None) -> list[str] | None:
    """Return the class names of a dataset.

    They are looked up in ``metainfo`` of the config (names, or a file of names), in the dataset's type, and in files
    next to its list: classes.txt with one name per line, or the labels of Something-Something, which may also be in
    labels/ or annotations/.

    Args:
        settings (Mapping): The config of a dataset that contains no other dataset.
        num_classes (int, optional): Number of classes of the model; files with another number of names are ignored.

    Returns:
        list[str] | None: The names, None if they are unknown.
    """
    kind = settings.get('dataset_type', settings.get('type'))  # dataset_type: inside ReplaceDamaged
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    for known in (settings.get('metainfo') or {}, getattr(kind, 'METAINFO', {})):
        names = known.get('classes')
        if isinstance(names, str):
            names = read_classes(Path(names)) if Path(names).is_file() else None
        if names:
            return list(names)
    return _search(settings, num_classes)


def read_classes(path: Path) -> list[str]:
    """Read class names from a file with one name per line, or from labels.json of Something-Something V2.

    Raises:
        ValueError: If a JSON file has another format.
    """
    text = path.read_text(encoding='utf-8-sig')
    if path.suffix == '.json':
        numbers = json.loads(text)
        if not isinstance(numbers, dict):
            raise ValueError(f'{path} is not of the format {{"class": "number", ...}}; download it again')
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
        except (OSError, ValueError, TypeError):  # the file may contain anything
            continue
        if names and (num_classes is None or len(names) == num_classes):
            return names
    return None
