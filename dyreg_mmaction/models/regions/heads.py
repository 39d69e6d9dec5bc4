"""g: one vector per node from the map."""

import torch
from torch import Tensor, nn


class FCHead(nn.Module):
    """g_i of eq. 2 as released: one fully connected layer per node on f's features, all in one product.

    Args:
        in_channels (int): Channels of f's features.
        size (tuple[int, int]): Their height and width (H', W').
        num_nodes (int): Number of nodes N.
        channels (int): Width L of the vectors.

    Shapes:
        (B, in_channels, H', W') -> (B, N, L)
    """

    def __init__(self, in_channels: int, size: tuple[int, int], num_nodes: int, channels: int) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.fc = nn.Linear(in_channels * size[0] * size[1], num_nodes * channels)

    def forward(self, features: Tensor) -> Tensor:
        """Vectors m_i."""
        return self.fc(features.flatten(1)).unflatten(1, (self.num_nodes, -1))


class PoolHead(nn.Module):
    """The light g_i (DyReg-Lite): position-aware features summed under one soft mask per node; f is skipped.

    ``mask = softmax over nodes of a 1x1 convolution``, ``m_i = U sum_p mask_i(p) (z(p) + P e(p)) + c`` with fixed
    sinusoids e of the position.

    Args:
        in_channels (int): Channels C of the map, a multiple of 4.
        size (tuple[int, int]): Its height and width (H, W).
        num_nodes (int): Number of nodes N.
        channels (int): Width L of the vectors.

    Shapes:
        (B, C, H, W) -> (B, N, L)

    Raises:
        ValueError: If ``in_channels`` is no multiple of 4.
    """

    sinusoids: Tensor

    def __init__(self, in_channels: int, size: tuple[int, int], num_nodes: int, channels: int) -> None:
        super().__init__()
        if in_channels % 4:
            raise ValueError(
                f"node_channels={in_channels} must be a multiple of 4 for heads='pool' (sines and cosines for rows and "
                f'columns); use {in_channels - in_channels % 4 or 4} or {in_channels + 4 - in_channels % 4}'
            )
        self.mask = nn.Conv2d(in_channels, num_nodes, 1)
        self.position = nn.Conv2d(in_channels, in_channels, 1)
        self.fc = nn.Linear(in_channels, channels)
        self.register_buffer('sinusoids', sinusoids(in_channels, size).float(), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Vectors m_i."""
        mask = self.mask(z).softmax(1).flatten(2)  # (B,N,H*W)
        value = (z + self.position(self.sinusoids[None])).flatten(2)  # (B,C,H*W)
        return self.fc(mask @ value.transpose(1, 2))


def sinusoids(channels: int, size: tuple[int, int]) -> Tensor:
    """Position table Tensor[C, H, W]: the first half of the channels depends on the row, the second on the column.

    Channel j of a half is the sine (even j) or cosine (odd j) of p / 10000^(2 j / C), with p in 0..1.
    """
    half = channels // 2
    index = torch.arange(half, dtype=torch.float64)
    frequency = 10000 ** (-index / half)
    phase = torch.pi / 2 * (index % 2)  # cos(a) = sin(a + pi/2)
    rows, columns = (
        torch.sin(torch.linspace(0, 1, n, dtype=torch.float64) * frequency[:, None] + phase[:, None]) for n in size
    )
    return torch.cat((rows[:, :, None].expand(-1, -1, size[1]), columns[:, None, :].expand(-1, size[0], -1)))
