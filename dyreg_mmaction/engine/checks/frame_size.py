"""Check that the training pipeline produces the frame size that the backbone is built for."""

import warnings
from typing import Any

from mmengine.config import Config

from dyreg_mmaction.datasets.leaves import leaf_datasets
from dyreg_mmaction.models.plugged import SIZES
from dyreg_mmaction.models.size import height_and_width
from dyreg_mmaction.registry import DATASETS, MODELS

from .arguments import argument

KEEPING = (
    'Flip',
    'ColorJitter',
    'RandomErasing',
    'Fuse',
    'FormatShape',
    'PackActionInputs',
    'LoadBoxes',
    'LoadObjects',
)
NESTING = ('WithBoxes', 'WithNeighbours')


def check_input_size(cfg: Config) -> None:
    """Check that ``input_size`` of a backbone with plugins is the frame size of the training pipeline.

    If ``input_size`` is set to another value, for example for weights trained with it, a warning is issued. Models
    without plugins and pipelines whose frame size is not in the config are not checked.

    Raises:
        ValueError: If ``input_size`` is missing and its default is not the frame size.
    """
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    if not backbone.get('plugins'):
        return
    sizes = (argument(backbone, name, MODELS) for name in ('input_size', *SIZES))
    default = next((size for size in sizes if size is not None), 224)
    given = backbone.get('input_size')
    for where, dataset in leaf_datasets((cfg.get('train_dataloader') or {}).get('dataset'), 'train_dataloader.dataset'):
        size = frame_size(dataset) if dataset.get('pipeline') else None
        if size is None or size == height_and_width(default, 'input_size'):
            continue
        state = 'is missing and defaults to' if given is None else 'is set to'
        message = (
            f'{where}.pipeline produces frames of height and width {size}, but model.backbone.input_size {state} '
            f'{default}; set model.backbone.input_size={size[0] if size[0] == size[1] else size}'
        )
        if given is None:
            raise ValueError(f'{message}, or input_size={default} for weights that were trained with it')
        warnings.warn(message, stacklevel=2)


def frame_size(dataset: dict) -> tuple[int, int] | None:
    """Return height and width of the frames that a dataset's pipeline produces, None if its config lacks them."""
    steps = _flatten(dataset.get('pipeline') or [])
    for step in reversed(steps):
        if _name(step) not in KEEPING:
            return _size_after(step)
    side = argument(dataset, 'frame_size', DATASETS)  # for datasets that generate frames
    return None if side is None else (side, side)


def _size_after(step: dict) -> tuple[int, int] | None:
    """Return height and width to which a transform crops or resizes frames, None if unknown."""
    name = _name(step)
    if name in ('CenterCrop', 'ThreeCrop', 'TenCrop', 'TSMCrop'):
        size = step.get('crop_size')
    elif name == 'RandomCrop':
        size = step.get('size')
    elif name == 'Resize' and not step.get('keep_ratio', True):
        size = step.get('scale')
    else:
        return None
    if isinstance(size, int):
        return size, size
    return (size[1], size[0]) if isinstance(size, list | tuple) else None


def _flatten(steps: list[dict]) -> list[dict]:
    flat = []
    for step in steps:
        flat.extend(_flatten(step['transforms']) if _name(step) in NESTING else [step])
    return flat


def _name(step: dict) -> str:
    kind: Any = step['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
