"""Non-Local baseline: attention between all positions of all frames."""

from mmcv.cnn import NonLocal3d
from torch import nn

from dyreg_mmaction.registry import MODELS


@MODELS.register_module(['DyRegNonLocal', 'NonLocal'])  # other packages also register the second name
class NonLocal(nn.Sequential):
    """A sequence of mmcv's space-time Non-Local blocks as a plugin. It starts as the identity.

    Source: Wang et al., Non-local neural networks (CVPR 2018).

    Args:
        in_channels (int): Channels of the map.
        num_blocks (int): Number of blocks.
        **kwargs: Arguments of :class:`mmcv.cnn.NonLocal3d`: ``reduction``, ``sub_sample``, ``mode``, ...

    Shapes:
        (B, in_channels, T, H, W) -> the same.

    Raises:
        ValueError: If ``num_blocks`` is below 1.
    """

    def __init__(self, in_channels: int, num_blocks: int = 1, **kwargs) -> None:
        if num_blocks < 1:
            raise ValueError(f'num_blocks is {num_blocks}, but must be at least 1')
        super().__init__(*(NonLocal3d(in_channels, **kwargs) for _ in range(num_blocks)))
