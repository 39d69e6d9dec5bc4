"""Heat maps of the nodes at the size of the feature map."""

from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import at_least_float32, without_autocast


class HeatMaps(nn.Module):
    """One probability map per node: f at full size, a 1x1 convolution, and a softmax over the positions.

    f downsamples by a factor of two and upsamples again, with two skips. Each stage is a convolution, a ReLU and a
    joint layer norm.

    Source: the Semantic model of DyReg-GNN, from an earlier version of the released code, which lacks the softmax.

    Args:
        in_channels (int): Channels C of the map.
        num_nodes (int): Number of nodes N.

    Shapes:
        (B, C, H, W) -> (B, N, H, W), each map summing to 1
    """

    def __init__(self, in_channels: int, num_nodes: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, 32, 1)
        self.down = nn.Conv2d(32, 32, 3, 2, 1)
        self.narrow = nn.Conv2d(32, 16, 3, padding=1)
        self.widen = nn.ConvTranspose2d(16, 32, 3, padding=1)
        self.up = nn.ConvTranspose2d(32, 32, 3, 2, 1)
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for channels in (32, 32, 16, 32, 32))
        self.maps = nn.Conv2d(32, num_nodes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the nodes, in float32 for any precision of the weights and of x."""
        norm0, norm1, norm2, norm3, norm4 = self.norms
        full = norm0(self.embed(x).relu())
        half = norm1(self.down(full).relu())
        y = norm2(self.narrow(half).relu())
        y = norm3(self.widen(y).relu()) + half
        y = norm4(self.up(y, output_size=full.shape[-2:]).relu()) + full
        dtype = at_least_float32(y.dtype)
        with without_autocast(y):
            logits = F.conv2d(*(value.to(dtype) for value in (y, *self.maps.parameters())))
            return logits.flatten(2).softmax(-1).unflatten(2, logits.shape[-2:])
