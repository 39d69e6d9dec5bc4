"""Clips of a dataset or of files, loaded one at a time."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from dyreg_mmaction.datasets.boxes.table import BoxTable
from dyreg_mmaction.datasets.leaves import leaf_datasets
from dyreg_mmaction.registry import DATASETS

from .source import keep_source

REPEATING = ('RepeatDataset', 'ClassBalancedDataset')


class ClipInput(NamedTuple):
    """Name of a clip and a function that loads its sample."""

    name: str
    load: Callable[[], dict]


def choose_clips(length: int, num: int) -> list[int]:
    """Choose ``num`` random clips of a dataset, or all if it has fewer; the choice is deterministic.

    Raises:
        ValueError: If ``num`` is not positive.
    """
    if num < 1:
        raise ValueError(f'the number of clips is {num}, but must be at least 1')
    return sorted(np.random.default_rng(0).permutation(length)[:num].tolist())


def dataset_inputs(cfg: Config, split: str, num: int, objects: dict | None = None) -> list[ClipInput]:
    """Choose clips of the dataset of a config.

    Args:
        cfg (Config): The config.
        split (str): 'train', 'val' or 'test'.
        num (int): Largest number of clips, see :func:`choose_clips`.
        objects (dict, optional): Config of LoadObjects for the pipeline. Defaults to that of the pipeline or of the
            dataset's class.

    Raises:
        ValueError: If the dataset does not exist, or two of its videos match the same ``objects``.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    if cfg.get(f'{split}_dataloader') is None:
        raise ValueError(f'--dataset {split}: the config has no {split}_dataloader; choose another split')
    dataset = DATASETS.build(_keep_sources(cfg[f'{split}_dataloader'].dataset, objects))
    if objects is not None:
        _check_unique([_place(dataset.get_data_info(i)) for i in range(len(dataset))], objects)
    indices = choose_clips(len(dataset), num)
    names = clip_names([_place(dataset.get_data_info(i)) or f'clip {i}' for i in indices])
    return [ClipInput(name, partial(_load, dataset, i, name)) for name, i in zip(names, indices, strict=True)]


def file_inputs(cfg: Config, videos: Sequence[str], objects: dict | None = None) -> list[ClipInput]:
    """Load video files or folders of frames with the validation pipeline of a config.

    Boxes of the config's dataset are never used, because they belong to other videos, possibly of the same names.
    Objects and boxes of nodes are taken from ``objects`` only.

    Raises:
        ValueError: If the model's nodes are boxes and ``objects`` is missing, or two of the videos match the same
            objects.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    _, settings = next(leaf_datasets(cfg.val_dataloader.dataset))
    steps = [_with_own_boxes(step, objects) for step in settings['pipeline'] if step['type'] != 'LoadObjects']
    pipeline = keep_source(steps, objects)
    if objects is not None:
        _check_unique(videos, objects)
    reads_frames = any(step['type'] == 'RawFrameDecode' for step in pipeline)
    load = partial(_load_file, run=Compose(pipeline), settings=settings, reads_frames=reads_frames)
    return [ClipInput(name, partial(load, video)) for name, video in zip(clip_names(videos), videos, strict=True)]


def clip_names(paths: Sequence[str]) -> list[str]:
    """Return the names of files, or, if two are equal, their paths relative to the common folder."""
    absolute = [os.path.abspath(path) for path in paths]
    if len({os.path.basename(path) for path in absolute}) == len(set(absolute)):
        return [os.path.basename(path) for path in absolute]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [os.path.relpath(path, folder) for path in absolute]


def _keep_sources(settings: dict, objects: dict | None) -> dict:
    """Return a dataset's config whose pipelines keep frames and objects, without wrappers that repeat samples."""
    if settings.get('datasets'):
        return {**settings, 'datasets': [_keep_sources(inner, objects) for inner in settings['datasets']]}
    if settings.get('dataset'):
        inner = _keep_sources(settings['dataset'], objects)
        return inner if settings['type'] in REPEATING else {**settings, 'dataset': inner}
    loads = any(step['type'] == 'LoadObjects' for step in settings['pipeline'])
    declared = None if loads else _declared_objects(settings)
    return {**settings, 'pipeline': keep_source(settings['pipeline'], objects, declared)}


def _declared_objects(settings: dict) -> dict | None:
    """Return the config of LoadObjects for the boxes that the class of a dataset declares."""
    kind = DATASETS.get(settings.get('dataset_type', settings['type']))
    declare = getattr(kind, 'own_objects', None)
    return declare(settings) if declare else None


def _check_unique(videos: Sequence[str], objects: dict) -> None:
    BoxTable(objects['ann_file']).check_unique([video for video in videos if video])


def _with_own_boxes(step: dict, objects: dict | None) -> dict:
    if step['type'] != 'LoadBoxes':
        return step
    if objects is None:
        raise ValueError(
            f'the nodes of this config are boxes of {step.get("ann_file") or "its dataset"}, which are not those of '
            'other videos; extract boxes with tools/data/extract_boxes.py, and pass their file with --boxes'
        )
    return {**step, **{key: value for key, value in objects.items() if key != 'type'}}


def _place(info: dict) -> str:
    return str(info.get('filename') or info.get('frame_dir') or info.get('video_id') or '')


def _load(dataset: Any, index: int, name: str) -> dict:
    try:
        return dataset[index]
    except Exception as error:  # every decoder has its own error classes
        raise ValueError(f'{name} cannot be read: {str(error) or type(error).__name__}') from error


def _load_file(video: str, run: Compose, settings: dict, reads_frames: bool) -> dict:
    if not Path(video).exists():
        raise FileNotFoundError(f'{video} does not exist')
    if Path(video).is_dir() != reads_frames:
        have, want = ('a folder', 'video files') if Path(video).is_dir() else ('a file', 'folders of frames')
        raise ValueError(f'{video} is {have}, but the pipeline of this config reads {want}')
    try:
        return run(_describe(Path(video), settings))
    except Exception as error:
        raise ValueError(f'{video} cannot be read as a video: {str(error) or type(error).__name__}') from error


def _describe(path: Path, settings: dict) -> dict:
    if path.is_file():
        return dict(filename=str(path), start_index=0, modality='RGB')
    template = settings.get('filename_tmpl', 'img_{:05}.jpg')
    total = sum(1 for file in path.iterdir() if file.suffix == Path(template).suffix)
    if not total:
        raise ValueError(f'it has no frames with names like {template.format(1)}')
    start = settings.get('start_index', 1)
    return dict(frame_dir=str(path), total_frames=total, filename_tmpl=template, start_index=start, modality='RGB')
