"""Check the clip length of backbone, head and pipelines."""

from mmengine.config import Config

from dyreg_mmaction.datasets.leaves import leaf_datasets
from dyreg_mmaction.models.library_backbones import is_from_library
from dyreg_mmaction.models.necks import RegionNeck
from dyreg_mmaction.models.takes_frames import PACKED, PACKING
from dyreg_mmaction.registry import MODELS

from .arguments import argument, kind_of


def check_num_segments(cfg: Config) -> None:
    """Check that head and pipelines have the clip length of the backbone with plugins or of the region neck.

    Otherwise the batch axis would be split at wrong places and frames of different crops would be mixed, silently.
    Models without plugins are not checked.

    Raises:
        ValueError: If the clip lengths differ.
    """
    model = cfg.get('model') or {}
    for place, frames in _frames_of_plugins(model).items():
        head = argument(model.get('cls_head') or {}, 'num_segments', MODELS)
        if head is not None and frames != 'batch' and head != frames:
            raise ValueError(
                f'{place}={frames} and model.cls_head.num_segments={head} must be the same number, the number '
                'of frames sampled from a video'
            )
        _check_pipelines(cfg, place, frames)


def _frames_of_plugins(model: dict) -> dict[str, int | str]:
    """Return ``num_segments`` of a 2D backbone with plugins and of a region neck by path in the config."""
    backbone, neck = model.get('backbone') or {}, model.get('neck') or {}
    found = {}
    if backbone.get('plugins') and is_from_library(backbone):
        found['model.backbone.num_segments'] = backbone.get('num_segments')
    elif backbone.get('plugins') and not getattr(kind_of(backbone, MODELS), 'takes_clips', True):
        found['model.backbone.num_segments'] = argument(backbone, 'num_segments', MODELS)
    if neck and kind_of(neck, MODELS) is RegionNeck:
        found['model.neck.num_segments'] = neck.get('num_segments')
    return {place: frames for place, frames in found.items() if frames is not None}


def _check_pipelines(cfg: Config, place: str, frames: int | str) -> None:
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for leaf, dataset in leaf_datasets((cfg.get(loader) or {}).get('dataset'), f'{loader}.dataset'):
            where, pipeline = f'{leaf}.pipeline', dataset.get('pipeline') or []
            if isinstance(frames, int):
                _check_sampling(pipeline, where, place, frames)
            elif loader != 'train_dataloader':
                _check_packing(pipeline, where)


def _check_sampling(pipeline: list, where: str, place: str, frames: int) -> None:
    for index, transform in enumerate(pipeline):
        if transform.get('clip_len') is None or 'Untrimmed' in str(transform['type']):
            continue
        key = 'num_clips' if transform['clip_len'] == 1 else 'clip_len'
        if (sampled := transform.get(key, 1)) != frames:
            raise ValueError(
                f'{where}.{index}.{key}={sampled} and {place}={frames} must be the same number; '
                'otherwise frames of different crops are mistaken for one clip'
            )


def _check_packing(pipeline: list, where: str) -> None:
    for index, transform in enumerate(pipeline):
        if transform.get('type') == 'PackActionInputs' and not set(PACKED) <= set(transform.get('meta_keys') or ()):
            raise ValueError(
                f"num_segments='batch' needs the clip length, which {where}.{index} does not pack; {PACKING}"
            )
