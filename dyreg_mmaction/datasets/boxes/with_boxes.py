"""Transforms that move boxes together with the pixels."""

from collections.abc import Sequence

import numpy as np
from mmaction.datasets import transforms as mm
from mmaction.datasets.transforms.processing import RandomErasing
from mmcv.transforms import BaseTransform

from dyreg_mmaction.registry import TRANSFORMS

from ..something.tsm_crop import TSMCrop


@TRANSFORMS.register_module()
class WithBoxes(BaseTransform):
    """Apply transforms to the frames and move the boxes in the same way.

    MMAction2's transforms also move boxes, but they shrink boxes at the edge of a crop by a pixel, and ThreeCrop and
    TenCrop do not move them. Boxes are not clipped, so boxes outside the crop remain known as outside.

    Args:
        transforms (Sequence[dict]): ``Resize``, crops, ``Flip`` and transforms that do not move pixels.

    Raises:
        ValueError: If a transform moves pixels in an unknown way.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = [TRANSFORMS.build(transform) for transform in transforms]
        self.moves = [_find_move(transform) for transform in self.transforms]

    def transform(self, results: dict) -> dict | None:
        """Run the transforms; move ``boxes``, ``objects`` and ``view``."""
        for transform, move in zip(self.transforms, self.moves, strict=True):
            size = results['img_shape']
            results = transform(results)
            if results is None:
                return None
            for key in {'boxes', 'objects', 'view'} & results.keys():
                results[key] = move(results[key], size, results)
        return results


def _stay(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    return boxes


def _crop(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    return _cut(boxes, size, results['crop_bbox'])


def _crops(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    num_frames = boxes.shape[0] * boxes.shape[1]
    return np.concatenate([_cut(boxes, size, crop) for crop in results['crop_bbox'][::num_frames]])


def _ten_crop(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    crops = _crops(boxes, size, results).reshape(-1, *boxes.shape)
    crops[1::2] = _mirror(crops[1::2], (0, 2))
    return crops.reshape(-1, *boxes.shape[1:])


def _flip(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    if not results['flip']:
        return boxes
    return _mirror(boxes, (0, 2) if results['flip_direction'] == 'horizontal' else (1, 3))


def _cut(boxes: np.ndarray, size: tuple[int, int], crop: np.ndarray) -> np.ndarray:
    """Return boxes relative to the crop (left, top, right, bottom), in pixels of a frame of ``size`` = (H, W)."""
    left, top, right, bottom = crop
    pixels = boxes * np.array([size[1], size[0], size[1], size[0]])
    return (pixels - [left, top, left, top]) / [right - left, bottom - top, right - left, bottom - top]


def _mirror(boxes: np.ndarray, axes: tuple[int, int]) -> np.ndarray:
    low, high = axes
    boxes = boxes.copy()
    boxes[..., low], boxes[..., high] = 1 - boxes[..., high], 1 - boxes[..., low]
    return boxes


# All crops that give one clip are subclasses of RandomCrop. Resizing does not change coordinates in 0..1 of the frame
MOVES = {
    mm.RandomCrop: _crop,
    mm.ThreeCrop: _crops,
    mm.TenCrop: _ten_crop,
    TSMCrop: _crops,
    mm.Flip: _flip,
    mm.Resize: _stay,
    mm.RandomRescale: _stay,
    mm.ColorJitter: _stay,
    RandomErasing: _stay,
}


def _find_move(transform: BaseTransform):
    for kind, move in MOVES.items():
        if isinstance(transform, kind):
            return move
    raise ValueError(
        f'WithBoxes does not support {type(transform).__name__}; use {", ".join(kind.__name__ for kind in MOVES)} or '
        'another crop'
    )
