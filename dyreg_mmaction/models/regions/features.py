"""f: the convolutions that see the whole map before the nodes' own regions are predicted."""

import math

from torch import Tensor, nn


class RegionFeatures(nn.Module):
    """f of eq. 1: down to about 6 x 6, up by one step with a skip, and down again.

    Each stage is convolution, ReLU, joint layer norm (in this order, as released). Strides follow the size of each
    axis: 21..50 cells are halved twice, 11..20 once, fewer not at all.

    Args:
        in_channels (int): Channels C of the map.
        size (tuple[int, int]): Height and width (H, W) of the map, each in 3..50 cells.

    Attributes:
        out_channels (int): 16.
        out_size (tuple[int, int]): Height and width (H', W') of the features.

    Shapes:
        (B, C, H, W) -> (B, 16, H', W')

    Raises:
        ValueError: If the map is smaller than 3 x 3.
    """

    out_channels = 16

    def __init__(self, in_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        if min(size) < 3:
            raise ValueError(
                f'feature map of {size[0]} x {size[1]} cells is too small to predict regions from, at least 3 x 3 are '
                'needed; use larger frames (input_size) or an earlier sub-module'
            )
        first = tuple(2 if n > 10 else 1 for n in size)
        stride = tuple(2 if n > 20 else 1 for n in size)
        padding = tuple(2 - s for s in stride)
        self.embed = _stage(nn.Conv2d(in_channels, 32, 1))
        self.down1 = _stage(nn.Conv2d(32, 32, 3, first))
        self.down2 = _stage(nn.Conv2d(32, 16, 3, stride, padding))
        middle = tuple((n - 3) // s + 1 for n, s in zip(size, first, strict=True))
        self.out_size = tuple((n + 2 * p - 3) // s + 1 for n, s, p in zip(middle, stride, padding, strict=True))
        # makes up for the cell that an even size loses on the way down
        lost = tuple((n + 2 * p - 3) % s for n, s, p in zip(middle, stride, padding, strict=True))
        self.up = _stage(nn.ConvTranspose2d(16, 32, 3, stride, padding, output_padding=lost))
        self.down3 = _stage(nn.Conv2d(32, 16, 3, stride, padding))

    def forward(self, x: Tensor) -> Tensor:
        """Features M from which every node predicts its region."""
        skip = self.down1(self.embed(x))
        return self.down3(self.up(self.down2(skip)) + skip)


def generator_size(size: tuple[int, int]) -> tuple[int, int]:
    """Size at which regions are predicted: axes of more than 50 cells are averaged down to 26..50 first."""
    return tuple(math.ceil(n / math.ceil(n / 50)) for n in size)


def _stage(conv: nn.Module) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(inplace=True), nn.GroupNorm(1, conv.out_channels))
