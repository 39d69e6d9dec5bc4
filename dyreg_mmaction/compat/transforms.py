"""Patches of MMAction2's transforms."""

import functools
from types import ModuleType
from typing import Any

import numpy as np

from .on_import import on_import
from .replacing import is_original


@on_import('mmaction.datasets.transforms.processing')
def jitter_hue(processing: ModuleType) -> None:
    """ColorJitter adds hues in uint8, which overflows or raises an error in NumPy 2. It now adds them in int16."""
    import cv2

    if not is_original(processing.ColorJitter.adjust_hue, processing):
        return

    def adjust_hue(img: np.ndarray, factor: float) -> np.ndarray:
        hsv = cv2.cvtColor(np.clip(img, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(factor * 255)) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    processing.ColorJitter.adjust_hue = staticmethod(adjust_hue)


@on_import('mmaction.datasets.transforms.processing')
def refuse_small_frames(processing: ModuleType) -> None:
    """CenterCrop and TenCrop return truncated crops of frames smaller than the crop. They now raise an error."""

    def guard(crop: type) -> None:
        stock = crop.transform  # type: ignore[attr-defined]

        @functools.wraps(stock)
        def transform(self: Any, results: dict) -> dict:
            (height, width), size = results['img_shape'], self.crop_size
            if width < size[0] or height < size[1]:
                raise ValueError(
                    f'frames of {width} x {height} are smaller than crop_size={tuple(size)} of {type(self).__name__}; '
                    'resize them first, or use LimitSides'
                )
            return stock(self, results)

        crop.transform = transform  # type: ignore[attr-defined]

    guard(processing.CenterCrop)
    guard(processing.TenCrop)
