"""From a config and a checkpoint to clips with regions."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from dyreg_mmaction.datasets.decoding import replace_damaged
from dyreg_mmaction.datasets.layers import load_through
from dyreg_mmaction.datasets.sync_mnist.synchronous_digits import SynchronousDigits
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.registry import DATASETS, MODELS

from .clip import RegionClip, make_clip
from .source import keep_source


def load_model(cfg: Config, checkpoint: str | None, device: str) -> nn.Module:
    """The recogniser of a config, in eval mode; without a checkpoint as it is before training.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it is none, or of another model.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    model = MODELS.build(cfg.model)
    model.cfg = cfg
    if checkpoint is not None:
        _load(model, checkpoint)
    return model.to(device).eval()


def _load(model: nn.Module, checkpoint: str) -> None:
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint {checkpoint!r} does not exist; train one with tools/train.py')
    own = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        state = load_checkpoint(model, checkpoint, map_location='cpu', logger='silent')
    except Exception as error:
        raise ValueError(f'{checkpoint} cannot be loaded as a checkpoint of this config: {error}') from error
    state = state.get('state_dict', state)
    names = {name.removeprefix('module.') for name in state}
    if not names & own.keys():
        raise ValueError(f'{checkpoint} holds nothing of this model; give the config it was trained with')
    missing = {name for name in own if '.plugins.' in name} - names
    if missing:
        raise ValueError(
            f'{checkpoint} has no weights of the plugins ({len(missing)} are missing, {min(missing)} is the first), so '
            'that there are no regions to see; give a checkpoint that was trained with them'
        )


def choose_clips(length: int, num: int) -> list[int]:
    """``num`` different clips of a dataset (all, if it has fewer), from all over it and the same each time.

    Raises:
        ValueError: If ``num`` is not positive.
    """
    if num < 1:
        raise ValueError(f'the number of clips to draw is {num}; it must be at least 1')
    return sorted(np.random.default_rng(0).permutation(length)[:num].tolist())


def dataset_samples(cfg: Config, split: str, num: int, objects: dict | None = None) -> tuple[Iterator[dict], int]:
    """Samples of the dataset of a config, and how many; another replaces one that cannot be read.

    Args:
        cfg (Config): The config.
        split (str): 'train', 'val' or 'test'.
        num (int): How many at most, see :func:`choose_clips`.
        objects (dict, optional): LoadObjects for its pipeline; None: its own, or the boxes that the dataset knows.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    if cfg.get(f'{split}_dataloader') is None:
        raise ValueError(f'--dataset {split}: the config has no {split}_dataloader')
    settings = cfg[f'{split}_dataloader'].dataset
    loads = any(step['type'] == 'LoadObjects' for step in settings.pipeline)
    pipeline = keep_source(settings.pipeline, objects or (None if loads else _known_objects(settings)))
    dataset = DATASETS.build({**settings, 'pipeline': pipeline})
    load_through(dataset, replace_damaged)
    indices = choose_clips(len(dataset), num)
    return (sample for i in indices for sample in dataset.__getitems__([i])), len(indices)


def class_names(cfg: Config, labels: str | None = None) -> list[str] | None:
    """Names of the classes, where somebody knows them.

    Args:
        cfg (Config): Whose validation set may know them.
        labels (str, optional): File of names, one a line, or Something-Something V2's labels.json.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if labels is not None:
        text = Path(labels).read_text(encoding='utf-8')
        if not labels.endswith('.json'):
            return [line.strip() for line in text.splitlines() if line.strip()]
        numbers = json.loads(text)
        return sorted(numbers, key=lambda name: int(numbers[name]))
    settings = cfg.val_dataloader.dataset
    known = settings.get('metainfo') or getattr(DATASETS.get(settings['type']), 'METAINFO', {})
    return list(known['classes']) if known.get('classes') else None


def _known_objects(settings: dict) -> dict | None:
    kind = DATASETS.get(settings['type'])
    if issubclass(kind, SynchronousDigits):
        return dict(type='LoadObjects')
    boxes = Path(settings.get('data_root') or 'data/mini_something', 'bounding_box_annotations.json')
    return dict(type='LoadObjects', ann_file=str(boxes)) if boxes.is_file() else None


def file_samples(cfg: Config, videos: Sequence[str], objects: dict | None) -> Iterator[dict]:
    """Samples of video files or folders of frames, by the pipeline of the config's validation.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    settings = cfg.val_dataloader.dataset
    # the boxes of its dataset are not those of any file
    steps = [step for step in settings.pipeline if step['type'] != 'LoadObjects' or _files_exist(step)]
    pipeline = keep_source(steps, objects)
    run = Compose(pipeline)
    reads_frames = any(step['type'] == 'RawFrameDecode' for step in pipeline)
    for video in videos:
        if not Path(video).exists():
            raise FileNotFoundError(f'{video} does not exist')
        if Path(video).is_dir() != reads_frames:
            have, want = ('a folder', 'video files') if Path(video).is_dir() else ('a file', 'folders of frames')
            raise ValueError(f'{video} is {have}, but the pipeline of this config reads {want}')
        try:
            yield run(_describe(Path(video), settings))
        except Exception as error:
            raise ValueError(f'{video} cannot be read as a video: {error or type(error).__name__}') from error


def _files_exist(step: dict) -> bool:
    files = step.get('ann_file') or []
    files = [files] if isinstance(files, str) else files
    return bool(files) and all(Path(file).exists() for file in files)


def _describe(path: Path, settings: dict) -> dict:
    if path.is_file():
        return dict(filename=str(path), start_index=0, modality='RGB')
    template = settings.get('filename_tmpl', 'img_{:05}.jpg')
    total = sum(1 for file in path.iterdir() if file.suffix == Path(template).suffix)
    if not total:
        raise ValueError(f'it has no frames named like {template.format(1)}')
    start = settings.get('start_index', 1)
    return dict(frame_dir=str(path), total_frames=total, filename_tmpl=template, start_index=start, modality='RGB')


@torch.no_grad()
def predict_clip(model: nn.Module, sample: dict, classes: list | None = None, view: int = 0) -> RegionClip:
    """What the model predicts of a sample of a pipeline, and where its nodes look."""
    with attach_regions(model):
        predicted = model.val_step(pseudo_collate([sample]))[0]  # type: ignore[operator]
    return make_clip(sample['inputs'], predicted, classes=classes, view=view)
