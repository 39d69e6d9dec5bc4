"""The functions g, which compute one vector per node from the map."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import at_least_float32, pool

from ..linear import Linear


class FCVectors(nn.Module):
    """The released g_i of eq. 2: one fully connected layer per node on the features of f, computed in one product.

    Args:
        in_channels (int): Channels of the features.
        size (tuple[int, int]): Height and width (H', W') of the features.
        num_nodes (int): Number of nodes N.
        channels (int): Width L of the vectors.

    Shapes:
        (B, in_channels, H', W') -> (B, N, L)
    """

    def __init__(self, in_channels: int, size: tuple[int, int], num_nodes: int, channels: int) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.fc = Linear(in_channels * size[0] * size[1], num_nodes * channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return the vectors m_i."""
        return self.fc(features.flatten(1)).unflatten(1, (self.num_nodes, -1))


class PoolVectors(nn.Module):
    r"""The g_i of DyReg-Lite: position-aware features summed under one soft mask per node, without f.

    .. math::
        mask = softmax_i(conv_{1 \times 1}(z)), \quad m_i = U \sum_p mask_i(p) (z(p) + P e(p) + d) + c

    with fixed sinusoids e of the row (first half of the channels) and of the column (second half), so the position term
    only needs the mask's row and column marginals.

    Args:
        in_channels (int): Channels C of the map, a multiple of 4.
        num_nodes (int): Number of nodes N.
        channels (int): Width L of the vectors.

    Shapes:
        (B, C, H, W) -> (B, N, L)

    Raises:
        ValueError: If ``in_channels`` is not a multiple of 4.
    """

    def __init__(self, in_channels: int, num_nodes: int, channels: int) -> None:
        super().__init__()
        if in_channels % 4:
            raise ValueError(
                f"node_channels is {in_channels}, but must be a multiple of 4 for heads='pool'; set it to "
                f'{in_channels - in_channels % 4 or 4} or {in_channels + 4 - in_channels % 4}'
            )
        self.mask = nn.Conv2d(in_channels, num_nodes, 1)
        self.position = nn.Conv2d(in_channels, in_channels, 1)
        self.fc = Linear(in_channels, channels)

    def forward(self, z: Tensor) -> Tensor:
        """Return the vectors m_i."""
        mask = self.mask(z).softmax(1)  # (B,N,H,W)
        marginals = (mask.sum(-1), mask.sum(-2))  # (B,N,H), (B,N,W)
        e = torch.cat([weight @ sinusoids(weight.shape[-1], z.shape[1] // 2, weight) for weight in marginals], dim=-1)
        mass = marginals[0].sum(-1, keepdim=True)
        place = F.linear(e, self.position.weight.flatten(1)) + mass * self.position.bias  # (B,N,C)
        return self.fc(pool(z, mask.to(z.dtype)) + place)


def sinusoids(length: int, channels: int, like: Tensor) -> Tensor:
    """Return a position table Tensor[length, channels] with the dtype and device of ``like``.

    Channel j is the sine (even j) or cosine (odd j) of p / 10000^(j / channels), with p in 0..1 along the axis.
    """
    dtype, device = at_least_float32(like.dtype), like.device
    p = torch.arange(length, dtype=dtype, device=device) / max(length - 1, 1)
    j = torch.arange(channels, dtype=dtype, device=device)
    angle = p[:, None] * torch.exp(j * (-math.log(10000) / channels))
    return torch.where(j % 2 == 0, angle.sin(), angle.cos()).to(like.dtype)
