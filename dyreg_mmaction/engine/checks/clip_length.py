"""Frames of a clip: the same number for backbone, head and pipelines."""

from mmengine.config import Config

from dyreg_mmaction.datasets.leaves import leaf_datasets
from dyreg_mmaction.models.takes_frames import PACKED, PACKING
from dyreg_mmaction.registry import MODELS

from .arguments import argument, kind_of


def check_num_segments(cfg: Config) -> None:
    """See that head and pipelines of a config agree with the frames of a clip of its plugged backbone.

    A disagreement would cut clips in the wrong places and mix crops, which nothing but the scores would show. Models
    without plugins are MMAction2's, and not looked at.

    Raises:
        ValueError: If they do not.
    """
    model = cfg.get('model') or {}
    frames = _frames_of_backbone(model.get('backbone') or {})
    if frames is None:
        return
    head = argument(model.get('cls_head') or {}, 'num_segments', MODELS)
    if head is not None and frames != 'batch' and head != frames:
        raise ValueError(
            f'model.backbone.num_segments={frames} and model.cls_head.num_segments={head} must be the same number, '
            'that of the frames sampled from a video'
        )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for place, dataset in leaf_datasets((cfg.get(loader) or {}).get('dataset'), f'{loader}.dataset'):
            where, pipeline = f'{place}.pipeline', dataset.get('pipeline') or []
            if isinstance(frames, int):
                _check_sampling(pipeline, where, frames)
            elif loader != 'train_dataloader':
                _check_packing(pipeline, where)


def _frames_of_backbone(backbone: dict) -> int | str | None:
    """``num_segments`` of a backbone with plugins that takes frames, None for all else."""
    takes_clips = getattr(kind_of(backbone, MODELS), 'takes_clips', True)
    return None if takes_clips or not backbone.get('plugins') else argument(backbone, 'num_segments', MODELS)


def _check_sampling(pipeline: list, where: str, frames: int) -> None:
    for index, transform in enumerate(pipeline):
        if transform.get('clip_len') is None or 'Untrimmed' in str(transform['type']):
            continue
        key = 'num_clips' if transform['clip_len'] == 1 else 'clip_len'
        if (sampled := transform.get(key, 1)) != frames:
            raise ValueError(
                f'{where}.{index}.{key}={sampled} and model.backbone.num_segments={frames} must be the same number; '
                'else frames of different crops and samplings are taken for one clip'
            )


def _check_packing(pipeline: list, where: str) -> None:
    for index, transform in enumerate(pipeline):
        if transform.get('type') == 'PackActionInputs' and not set(PACKED) <= set(transform.get('meta_keys') or ()):
            raise ValueError(f"num_segments='batch' must be told the frames of a clip by {where}.{index}; {PACKING}")
