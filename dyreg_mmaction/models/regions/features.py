"""The convolutions f on the whole map that precede the prediction of regions."""

import math

from torch import Tensor, nn


class RegionFeatures(nn.Module):
    """The function f of eq. 1: downsampling to about 6 x 6, one upsampling step with a skip, and downsampling again.

    Each stage is a convolution, a ReLU and a norm, in this order as in the released code. Strides depend on
    the size of each axis: 21..50 cells are halved twice, 11..20 once, fewer not at all.

    Args:
        in_channels (int): Channels C of the map.
        size (tuple[int, int]): Height and width (H, W) of the map, each in 3..50 cells.
        norm (str): 'joint': layer norm over channels and cells, as in the released code; 'batch': batch norm.

    Attributes:
        out_channels (int): 16.
        out_size (tuple[int, int]): Height and width (H', W') of the features.

    Shapes:
        (B, C, H, W) -> (B, 16, H', W')

    Raises:
        ValueError: If the map is smaller than 3 x 3, or ``norm`` is unknown.
    """

    out_channels = 16

    def __init__(self, in_channels: int, size: tuple[int, int], norm: str = 'joint') -> None:
        super().__init__()
        if norm not in ('joint', 'batch'):
            raise ValueError(f"feature_norm={norm!r} is unknown; choose 'joint' or 'batch'")
        if min(size) < 3:
            raise ValueError(
                f'the feature map has {size[0]} x {size[1]} cells, but DynamicRegions need at least 3 x 3; use larger '
                'frames (input_size) or an earlier sub-module'
            )
        axes = [_Axis(cells) for cells in size]
        first = (axes[0].first, axes[1].first)
        stride = (axes[0].stride, axes[1].stride)
        padding = (2 - stride[0], 2 - stride[1])
        self.out_size = (axes[0].out_cells, axes[1].out_cells)
        self.embed = _stage(nn.Conv2d(in_channels, 32, 1), norm)
        self.down1 = _stage(nn.Conv2d(32, 32, 3, first), norm)
        self.down2 = _stage(nn.Conv2d(32, 16, 3, stride, padding), norm)
        lost = (axes[0].lost, axes[1].lost)
        self.up = _stage(nn.ConvTranspose2d(16, 32, 3, stride, padding, output_padding=lost), norm)
        self.down3 = _stage(nn.Conv2d(32, 16, 3, stride, padding), norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features M from which the regions of all nodes are predicted."""
        skip = self.down1(self.embed(x))
        return self.down3(self.up(self.down2(skip)) + skip)


class _Axis:
    """Strides and output sizes along one axis of the map."""

    def __init__(self, cells: int) -> None:
        self.first = 2 if cells > 10 else 1
        self.stride = 2 if cells > 20 else 1
        middle = (cells - 3) // self.first + 1
        reach = middle + 2 * (2 - self.stride) - 3
        self.out_cells = reach // self.stride + 1
        self.lost = reach % self.stride  # the cell that downsampling drops for even sizes; upsampling restores it


def generator_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which regions are predicted; axes of more than 50 cells are averaged to 26..50 cells."""
    rows, columns = (math.ceil(n / math.ceil(n / 50)) for n in size)
    return rows, columns


def _stage(conv: nn.Conv2d | nn.ConvTranspose2d, norm: str) -> nn.Sequential:
    channels = conv.out_channels
    layer = nn.GroupNorm(1, channels) if norm == 'joint' else nn.BatchNorm2d(channels)
    return nn.Sequential(conv, nn.ReLU(inplace=True), layer)
