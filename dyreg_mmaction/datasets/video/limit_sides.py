"""A center crop for frames of any aspect ratio."""

from mmaction.datasets.transforms import CenterCrop

from dyreg_mmaction.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LimitSides(CenterCrop):
    """Crop the center of frames to at most ``short_side`` x ``long_side``, in landscape or portrait like the frame.

    MMAction2's CenterCrop has a fixed width and height, and returns few or no pixels if a frame is smaller.

    Args:
        short_side (int): Largest length of the shorter side, in pixels.
        long_side (int): Largest length of the longer side, in pixels.

    Raises:
        ValueError: Unless 0 < ``short_side`` <= ``long_side``.
    """

    def __init__(self, short_side: int, long_side: int) -> None:
        if not 0 < short_side <= long_side:
            raise ValueError(f'short_side is {short_side}, but must be above 0 and at most long_side={long_side}')
        super().__init__((long_side, short_side))
        self.short_side, self.long_side = short_side, long_side

    def transform(self, results: dict) -> dict:
        """Crop ``imgs``; set ``crop_bbox`` and ``img_shape``."""
        height, width = results['img_shape']
        limits = (self.long_side, self.short_side) if width >= height else (self.short_side, self.long_side)
        return CenterCrop((min(width, limits[0]), min(height, limits[1]))).transform(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(short_side={self.short_side}, long_side={self.long_side})'
