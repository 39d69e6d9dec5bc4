"""Clips to draw, of a dataset or of files, each loaded when its turn comes."""

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
    """What to call a clip, and how to get its sample; an error names what cannot be read."""

    name: str
    load: Callable[[], dict]


def choose_clips(length: int, num: int) -> list[int]:
    """``num`` different clips of a dataset (all, if it has fewer), from all over it and the same each time.

    Raises:
        ValueError: If ``num`` is not positive.
    """
    if num < 1:
        raise ValueError(f'the number of clips to draw is {num}; it must be at least 1')
    return sorted(np.random.default_rng(0).permutation(length)[:num].tolist())


def dataset_inputs(cfg: Config, split: str, num: int, objects: dict | None = None) -> list[ClipInput]:
    """Different clips of the dataset of a config.

    Args:
        cfg (Config): The config.
        split (str): 'train', 'val' or 'test'.
        num (int): How many at most, see :func:`choose_clips`.
        objects (dict, optional): LoadObjects for its pipeline; None: its own, or the one that the dataset declares.

    Raises:
        ValueError: If there is no such dataset, or two of its videos would have the same ``objects``.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    if cfg.get(f'{split}_dataloader') is None:
        raise ValueError(f'--dataset {split}: the config has no {split}_dataloader')
    dataset = DATASETS.build(_keep_sources(cfg[f'{split}_dataloader'].dataset, objects))
    if objects is not None:
        _check_unique([_place(dataset.get_data_info(i)) for i in range(len(dataset))], objects)
    indices = choose_clips(len(dataset), num)
    names = clip_names([_place(dataset.get_data_info(i)) or f'clip {i}' for i in indices])
    return [ClipInput(name, partial(_load, dataset, i, name)) for name, i in zip(names, indices, strict=True)]


def file_inputs(cfg: Config, videos: Sequence[str], objects: dict | None = None) -> list[ClipInput]:
    """Video files or folders of frames, by the pipeline of the config's validation.

    Boxes of its dataset are not those of the files, whatever their names: objects, and boxes that are nodes, come from
    ``objects`` only.

    Raises:
        ValueError: If the model's nodes are boxes and there are no ``objects``, or two of the videos would have the
            same.
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
    """Names of files; where two are the same, their paths below the folder that all are in."""
    absolute = [os.path.abspath(path) for path in paths]
    if len({os.path.basename(path) for path in absolute}) == len(set(absolute)):
        return [os.path.basename(path) for path in absolute]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [os.path.relpath(path, folder) for path in absolute]


def _keep_sources(settings: dict, objects: dict | None) -> dict:
    """The config of a dataset whose pipelines keep their frames and objects, without what only repeats it."""
    if settings.get('datasets'):
        return {**settings, 'datasets': [_keep_sources(part, objects) for part in settings['datasets']]}
    if settings.get('dataset'):
        inner = _keep_sources(settings['dataset'], objects)
        return inner if settings['type'] in REPEATING else {**settings, 'dataset': inner}
    loads = any(step['type'] == 'LoadObjects' for step in settings['pipeline'])
    declared = None if loads else _declared_objects(settings)
    return {**settings, 'pipeline': keep_source(settings['pipeline'], objects, declared)}


def _declared_objects(settings: dict) -> dict | None:
    """LoadObjects for the boxes that the class of a dataset declares as its own."""
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
            'other videos; extract boxes with tools/data/extract_boxes.py, and give their file with --boxes'
        )
    return {**step, **{key: value for key, value in objects.items() if key != 'type'}}


def _place(info: dict) -> str:
    return str(info.get('filename') or info.get('frame_dir') or info.get('video_id') or '')


def _load(dataset: Any, index: int, name: str) -> dict:
    try:
        return dataset[index]
    except Exception as error:  # every decoder has its own kinds
        raise ValueError(f'{name} cannot be read: {error or type(error).__name__}') from error


def _load_file(video: str, run: Compose, settings: dict, reads_frames: bool) -> dict:
    if not Path(video).exists():
        raise FileNotFoundError(f'{video} does not exist')
    if Path(video).is_dir() != reads_frames:
        have, want = ('a folder', 'video files') if Path(video).is_dir() else ('a file', 'folders of frames')
        raise ValueError(f'{video} is {have}, but the pipeline of this config reads {want}')
    try:
        return run(_describe(Path(video), settings))
    except Exception as error:
        raise ValueError(f'{video} cannot be read as a video: {error or type(error).__name__}') from error


def _describe(path: Path, settings: dict) -> dict:
    if path.is_file():
        return dict(filename=str(path), start_index=0, modality='RGB')
    template = settings.get('filename_tmpl', 'img_{:05}.jpg')
    total = sum(1 for file in path.iterdir() if file.suffix == Path(template).suffix)
    if not total:
        raise ValueError(f'it has no frames named like {template.format(1)}')
    start = settings.get('start_index', 1)
    return dict(frame_dir=str(path), total_frames=total, filename_tmpl=template, start_index=start, modality='RGB')
