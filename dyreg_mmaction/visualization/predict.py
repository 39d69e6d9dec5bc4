"""Prediction of clips with regions from a config and a checkpoint."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from dyreg_mmaction.datasets.class_names import dataset_classes, read_classes
from dyreg_mmaction.datasets.leaves import leaf_datasets
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.models.finding import find_plugins, region_graphs
from dyreg_mmaction.registry import MODELS

from .clip import RegionClip, make_clip
from .inputs import ClipInput


def load_model(cfg: Config, checkpoint: str | None, device: str) -> nn.Module:
    """Build the recognizer of a config in eval mode; without a checkpoint it is untrained.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If the file is not a checkpoint, or is one of another model.
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
        raise ValueError(f'{checkpoint} has no weights of this model; use the config it was trained with')
    modules = {**find_plugins(model), **region_graphs(model)}
    plugins = {id(each) for plugin in modules.values() for each in plugin.state_dict(keep_vars=True).values()}
    missing = {name for name, value in model.state_dict(keep_vars=True).items() if id(value) in plugins} - names
    if missing:
        raise ValueError(
            f'{checkpoint} has no weights of the plugins ({len(missing)} are missing, {min(missing)} is the first); '
            'use a checkpoint that was trained with plugins'
        )


def class_names(cfg: Config, labels: str | None = None) -> list[str] | None:
    """Return the class names, None if they are unknown.

    Args:
        cfg (Config): The config, whose datasets may provide them, see :func:`.dataset_classes`.
        labels (str, optional): File with one name per line, or labels.json of Something-Something V2.

    Raises:
        FileNotFoundError: If the file does not exist.
    """
    if labels is not None:
        return read_classes(Path(labels))
    num_classes = (cfg.get('model', {}).get('cls_head') or {}).get('num_classes')
    loaders = filter(None, (cfg.get(f'{split}_dataloader') for split in ('val', 'test', 'train')))
    leaves = (leaf for loader in loaders for _, leaf in leaf_datasets(loader.dataset))
    return next(filter(None, (dataset_classes(leaf, num_classes) for leaf in leaves)), None)


@torch.no_grad()
def predict_clip(
    model: nn.Module, sample: dict, classes: list | None = None, view: int = 0, name: str | None = None
) -> RegionClip:
    """Predict a sample of a pipeline and return it with its regions."""
    with attach_regions(model):
        predicted = model.val_step(pseudo_collate([sample]))[0]  # type: ignore[operator]
    return make_clip(sample['inputs'], predicted, name, classes, view)


def predict_clips(
    model: nn.Module,
    inputs: Iterable[ClipInput],
    skip: Callable[[Exception], None],
    classes: list | None = None,
    view: int = 0,
) -> Iterator[RegionClip]:
    """Predict clips one by one, with one clip in memory.

    Args:
        model (nn.Module): The model.
        inputs (Iterable[ClipInput]): The clips.
        skip (Callable): Called with the error of each clip that cannot be read; these clips are skipped.
        classes (list, optional): Names of the classes.
        view (int): Index of the view.

    Yields:
        RegionClip: The predicted clips.
    """
    for name, load in inputs:
        try:
            sample = load()
        except Exception as error:  # every decoder has its own error classes
            skip(error)
            continue
        yield predict_clip(model, sample, classes, view, name)
        del sample  # before the next one is read
