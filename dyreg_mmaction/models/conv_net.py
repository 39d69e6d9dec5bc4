"""The plain convolutional backbone of RSTG's SyncMNIST experiments."""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

INIT = dict(type='Xavier', layer='Conv2d', distribution='uniform')


@MODELS.register_module(['DyRegConvNet', 'ConvNet'])  # other packages also register the second name
class ConvNet(BaseModule):
    """Blocks of a 3 x 3 convolution, a 2 x 2 max pooling and a ReLU; without padding 64 x 64 frames become 6 x 6 maps.

    Source: SyncMNIST backbone of RSTG (NeurIPS 2019).

    Args:
        in_channels (int): Channels of the frames.
        channels (int | Sequence[int]): Channels of every block, or of each.
        num_blocks (int): Number of blocks; ignored if ``channels`` lists them.
        padding (int): Padding of every convolution; with 1, cell p of the map is at p / W of the frame.
        norm_cfg (dict, optional): Norm of every block, such as ``dict(type='BN')``; the released backbone has no norm.
        init_cfg (dict): Initialization, see :class:`mmengine.model.BaseModule`. Defaults to that of the released code.

    Shapes:
        (B*T, in_channels, H, W) -> (B*T, channels of the last block, H', W')
    """

    def __init__(
        self,
        in_channels: int = 1,
        channels: int | Sequence[int] = 512,
        num_blocks: int = 3,
        padding: int = 0,
        norm_cfg: dict | None = None,
        init_cfg: dict = INIT,
    ) -> None:
        super().__init__(init_cfg)
        widths = [in_channels, *([channels] * num_blocks if isinstance(channels, int) else channels)]
        pairs = zip(widths, widths[1:], strict=False)
        self.blocks = nn.Sequential(*(_block(*pair, padding, norm_cfg) for pair in pairs))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the maps of the frames."""
        return self.blocks(x.contiguous(memory_format=torch.channels_last))


def _block(in_channels: int, channels: int, padding: int, norm_cfg: dict | None) -> nn.Sequential:
    norm = nn.Identity() if norm_cfg is None else build_norm_layer(norm_cfg, channels)[1]
    # ReLU and max pooling commute; pooling first costs a quarter
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=padding), nn.MaxPool2d(2), norm, nn.ReLU(inplace=True)
    )
