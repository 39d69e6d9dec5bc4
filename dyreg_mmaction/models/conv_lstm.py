"""ConvLSTM baseline: recurrence at every position instead of at nodes."""

from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.registry import MODELS

from .node_rnn import recurrent_net, run_rnn


@MODELS.register_module(['DyRegConvLSTM', 'ConvLSTM'])  # other packages also register the second name
class ConvLSTM(nn.Module):
    r"""Residual block of a convolution, an LSTM over time at each position with shared weights, and a convolution.

    .. math::
        out = X + norm(decode(resize(LSTM(relu(encode(X))))))

    The convolutions are 3x3. If the first one reduces the map, it is resized by nearest neighbors before the second.
    The scale of the joint layer norm starts at 0, so the module starts as the identity.

    Source: the baseline of DyReg-GNN (NeurIPS 2021) on MultiSyncMNIST.

    Args:
        in_channels (int): Channels of the map.
        hidden_channels (int): Width of the LSTM. With 94 and a map of 128 channels the block has about the 0.29 M
            parameters of DyReg-GNN on MultiSyncMNIST.
        stride (int): Factor by which the first convolution reduces height and width; the paper does not specify it.

    Shapes:
        (B, in_channels, T, H, W) -> the same.

    Raises:
        ValueError: If ``hidden_channels`` or ``stride`` is below 1.
    """

    def __init__(self, in_channels: int, hidden_channels: int = 94, stride: int = 1) -> None:
        super().__init__()
        for name, value in (('hidden_channels', hidden_channels), ('stride', stride)):
            if value < 1:
                raise ValueError(f'{name} is {value}, but must be at least 1')
        self.encode = nn.Conv2d(in_channels, hidden_channels, 3, stride, padding=1)
        self.rnn = recurrent_net('lstm', hidden_channels)
        self.decode = nn.Conv2d(hidden_channels, in_channels, 3, padding=1)
        self.norm = nn.GroupNorm(1, in_channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined map."""
        batch, _, time, *size = x.shape
        frames = self.encode(x.transpose(1, 2).flatten(0, 1)).relu()  # (B*T,C',H',W')
        sequence = frames.unflatten(0, (batch, time)).flatten(3).permute(1, 0, 3, 2)  # (T,B,H'*W',C')
        states = run_rnn(self.rnn, sequence.flatten(1, 2))  # (T,B*H'*W',C')
        states = states.view(time, batch, *frames.shape[2:], -1).permute(1, 0, 4, 2, 3).flatten(0, 1)  # (B*T,C',H',W')
        if self.encode.stride != (1, 1):
            states = F.interpolate(states, size=size)  # (B*T,C',H,W)
        y = self.norm(self.decode(states)).to(x.dtype)
        return x + y.unflatten(0, (batch, time)).transpose(1, 2)
