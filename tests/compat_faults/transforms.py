"""Transforms."""

from pathlib import Path

import pytest

from .registry import fault


@fault('out of bounds for uint8')
def jitter_hue(folder: Path) -> None:
    import cv2
    import numpy as np
    from mmaction.datasets.transforms import ColorJitter

    hue = np.arange(180, dtype=np.uint8)[None, :, None]
    hsv = np.concatenate([hue, np.full_like(hue, 255), np.full_like(hue, 255)], axis=2)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    for factor in (-0.5, 0.5):  # with 0.5, 127 plus hues up to 179 overflows uint8 too
        turned = {'imgs': [rgb]}
        ColorJitter(brightness=0, contrast=0, saturation=0, hue=(factor, factor)).transform(turned)
        expected = (hue[0, :, 0].astype(int) + int(factor * 255)) % 180
        found = cv2.cvtColor(turned['imgs'][0], cv2.COLOR_RGB2HSV)[0, :, 0]
        assert np.abs((found - expected + 90) % 180 - 90).max() <= 1


@fault('DID NOT RAISE')
def refuse_small_frames(folder: Path) -> None:
    import numpy as np
    from mmaction.datasets.transforms import CenterCrop

    frames = dict(imgs=[np.zeros((8, 16, 3), np.uint8)], img_shape=(8, 16), modality='RGB')
    with pytest.raises(ValueError, match=r'frames of 16 x 8 are smaller than crop_size=\(12, 12\)'):
        CenterCrop(12).transform(frames)
