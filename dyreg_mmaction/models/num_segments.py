"""How many frames a clip has, where a backbone gets the frames of all clips in one row."""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from torch import Tensor

from dyreg_mmaction.registry import MODELS

from .forwards import Batch, running


class TakesFrames:
    """Mixin in front of a Recognizer2D: tells a backbone with ``num_segments='batch'`` the frames of the clips.

    In training a video is one clip. At test time it may be several, of different crops: there the data samples tell,
    whose ``num_clips`` and ``clip_len`` ``PackActionInputs`` packs on request.
    """

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """The recogniser's forward, see :class:`mmaction.models.BaseRecognizer`.

        Raises:
            ValueError: If a data sample to be tested does not tell.
        """
        backbone = self.backbone  # type: ignore[attr-defined]
        if getattr(backbone, 'num_segments', 0) is not None:
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]
        frames = _told(data_samples or []) if mode == 'predict' else inputs.shape[1]
        with running(Batch(backbone, frames)):
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]


def _told(data_samples: list) -> int:
    told = {_frames_of_clip({key: sample.get(key) for key in PACKED}) for sample in data_samples}
    frames = told.pop() if len(told) == 1 else None
    if frames is None:
        raise ValueError(f"with num_segments='batch' data samples must tell the frames of their clips; {_PACK}")
    return frames


PACKED = ('num_clips', 'clip_len')
_PACK = f'give PackActionInputs of the val and test pipelines meta_keys={PACKED}'


def _frames_of_clip(sampling: dict) -> int | None:
    """Frames of a clip of a 2D recogniser, whether it is sampled as one clip or as clips of one frame."""
    num_clips, clip_len = (sampling.get(key) for key in PACKED)
    return num_clips if clip_len == 1 else clip_len


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
            where, pipeline = f'{place}.pipeline', dataset['pipeline']
            if isinstance(frames, int):
                _check_sampling(pipeline, where, frames)
            elif loader != 'train_dataloader':
                _check_packing(pipeline, where)


def _frames_of_backbone(backbone: dict) -> int | str | None:
    """``num_segments`` of a backbone with plugins that takes frames, None for all else."""
    takes_clips = getattr(_kind(backbone, MODELS), 'takes_clips', True)
    return None if takes_clips or not backbone.get('plugins') else argument(backbone, 'num_segments', MODELS)


def _kind(config: dict, registry: Registry) -> type | None:
    kind = config.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def argument(config: dict, name: str, registry: Registry) -> Any:
    """What a class gets for an argument: the value in its config, or the default that is nearest to it."""
    if config.get(name) is not None:
        return config[name]
    for base in getattr(_kind(config, registry), '__mro__', ()):
        parameter = inspect.signature(base.__init__).parameters.get(name)
        if parameter is not None and parameter.default not in (None, parameter.empty):
            return parameter.default
    return None


def leaf_datasets(dataset: dict | None, where: str) -> Iterator[tuple[str, dict]]:
    """Every dataset with a pipeline, also inside those that repeat or concatenate, with its place in the config."""
    if not dataset:
        return
    if dataset.get('pipeline'):
        yield where, dataset
    yield from leaf_datasets(dataset.get('dataset'), f'{where}.dataset')
    for index, part in enumerate(dataset.get('datasets') or []):
        yield from leaf_datasets(part, f'{where}.datasets.{index}')


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
            raise ValueError(f"num_segments='batch' must be told the frames of a clip by {where}.{index}; {_PACK}")
