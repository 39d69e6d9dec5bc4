"""The baselines Mean+LSTM and Conv+LSTM."""

from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from ..node_rnn import NodeRNN
from .clip_head import ClipHead


@MODELS.register_module(['DyRegRecurrentHead', 'RecurrentHead'])  # others use the latter, too
class RecurrentHead(ClipHead):
    """An LSTM over the frames, whose last state is classified: Mean+LSTM, and with convolutions Conv+LSTM of RSTG.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the map, and of all that follows.
        num_convs (int): Number of 3 x 3 convolutions, each with a ReLU and a 2 x 2 max pool, before what is left of the
            map is averaged. Two take a map of 6 x 6 to a single cell.
        **kwargs: Of :class:`ClipHead`.
    """

    def __init__(self, num_classes: int, in_channels: int, num_convs: int = 0, **kwargs) -> None:
        super().__init__(num_classes, in_channels, in_channels, **kwargs)
        layers = [_conv(in_channels) for _ in range(num_convs)]
        self.convs = nn.Sequential(*layers)
        self.rnn = NodeRNN(in_channels, 'lstm')

    def clip_vector(self, x: Tensor) -> Tensor:
        """Last state of the LSTM."""
        frames = self.convs(x.transpose(1, 2).flatten(0, 1)).mean((-2, -1))  # (B*T,C)
        return self.rnn(frames.unflatten(0, (x.shape[0], -1)).transpose(0, 1))[-1]


def _conv(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
