"""The crops of TSM's test script, which differ from MMAction2's by one or two pixels for frames of odd sizes."""

import numpy as np
from mmcv.transforms import BaseTransform

from dyreg_mmaction.registry import TRANSFORMS


@TRANSFORMS.register_module()
class TSMCrop(BaseTransform):
    """Take one center crop of every frame, or three crops: left, right, center.

    MMAction2's CenterCrop rounds half pixels down, TSM's rounds to even. MMAction2's ThreeCrop moves by (W - S) // 2,
    TSM's by 2 * ((W - S) // 4), always horizontally and vertically centered.

    Args:
        crop_size (int): Side S of the crops, in pixels.
        num_crops (int): 1 or 3.

    Required keys: imgs. Modified keys: imgs, img_shape. Added keys: crop_bbox.

    Raises:
        ValueError: If ``num_crops`` is not 1 or 3, or a frame is smaller than the crop.

    Source: GroupCenterCrop and GroupFullResSample of the TSM repository.
    """

    def __init__(self, crop_size: int, num_crops: int = 1) -> None:
        if num_crops not in (1, 3):
            raise ValueError(f'num_crops is {num_crops}, but must be 1 or 3')
        self.crop_size = crop_size
        self.num_crops = num_crops

    def transform(self, results: dict) -> dict:
        """Crop ``imgs``: all frames at the first position, then all at the next."""
        imgs, size = results['imgs'], self.crop_size
        height, width = imgs[0].shape[:2]
        if min(height, width) < size:
            raise ValueError(f'frames of {width} x {height} are smaller than crop_size={size}; resize them first')
        corners = self.corners(width, height)
        results['imgs'] = [img[y : y + size, x : x + size] for x, y in corners for img in imgs]
        results['crop_bbox'] = np.array([(x, y, x + size, y + size) for x, y in corners for _ in imgs])
        results['img_shape'] = (size, size)
        return results

    def corners(self, width: int, height: int) -> list[tuple[int, int]]:
        """Return the upper left corners (x, y) of the crops in frames of this size."""
        free_x, free_y = width - self.crop_size, height - self.crop_size
        if self.num_crops == 1:
            return [(round(free_x / 2), round(free_y / 2))]
        return [(steps * (free_x // 4), 2 * (free_y // 4)) for steps in (0, 4, 2)]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size}, num_crops={self.num_crops})'
