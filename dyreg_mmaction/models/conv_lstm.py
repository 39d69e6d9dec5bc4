"""ConvLSTM baseline: time at every position instead of at nodes."""

from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from .node_rnn import recurrent_net, run_rnn


@MODELS.register_module()
class ConvLSTM(nn.Module):
    r"""A convolution, an LSTM over time at each position with shared weights, a convolution, added as a residual.

    .. math::
        out = X + norm(decode(LSTM(relu(encode(X)))))

    with 3x3 convolutions and a joint layer norm whose scale starts at 0, so the module starts as the identity.

    Source: the baseline of DyReg-GNN (NeurIPS 2021) on MultiSyncMNIST.

    Args:
        in_channels (int): Channels of the map.
        hidden_channels (int): Width of the LSTM. 94 gives a map of 128 channels about the 0.29 M parameters of
            DyReg-GNN there.

    Shapes:
        (B, in_channels, T, H, W) -> the same.

    Raises:
        ValueError: If ``hidden_channels`` is below 1.
    """

    def __init__(self, in_channels: int, hidden_channels: int = 94) -> None:
        super().__init__()
        if hidden_channels < 1:
            raise ValueError(f'hidden_channels={hidden_channels} must be at least 1')
        self.encode = nn.Conv2d(in_channels, hidden_channels, 3, padding=1)
        self.rnn = recurrent_net('lstm', hidden_channels)
        self.decode = nn.Conv2d(hidden_channels, in_channels, 3, padding=1)
        self.norm = nn.GroupNorm(1, in_channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The refined map."""
        batch, _, time, height, width = x.shape
        frames = self.encode(x.transpose(1, 2).flatten(0, 1)).relu()  # (B*T,C',H,W)
        sequence = frames.view(batch, time, -1, height * width).permute(1, 0, 3, 2)  # (T,B,H*W,C')
        states = run_rnn(self.rnn, sequence.flatten(1, 2))  # (T,B*H*W,C')
        states = states.view(time, batch, height, width, -1).permute(1, 0, 4, 2, 3)  # (B,T,C',H,W)
        y = self.norm(self.decode(states.flatten(0, 1))).to(x.dtype)
        return x + y.unflatten(0, (batch, time)).transpose(1, 2)
