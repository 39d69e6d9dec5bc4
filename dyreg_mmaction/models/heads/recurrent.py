"""The baselines Mean+LSTM and Conv+LSTM."""

from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from ..node_rnn import NodeRNN
from .clip_head import ClipHead


@MODELS.register_module(['DyRegRecurrentHead', 'RecurrentHead'])  # other packages also register the second name
class RecurrentHead(ClipHead):
    """Classify the last state of an LSTM over the frames: RSTG's Mean+LSTM or, with convolutions, Conv+LSTM.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the map, the convolutions and the LSTM.
        num_convs (int): Number of 3 x 3 convolutions, each with a ReLU and a 2 x 2 max pooling, before the map is
            averaged. Two convolutions reduce a 6 x 6 map to a single cell.
        **kwargs: Arguments of :class:`ClipHead`.
    """

    def __init__(self, num_classes: int, in_channels: int, num_convs: int = 0, **kwargs) -> None:
        super().__init__(num_classes, in_channels, in_channels, **kwargs)
        layers = [_conv(in_channels) for _ in range(num_convs)]
        self.convs = nn.Sequential(*layers)
        self.rnn = NodeRNN(in_channels, 'lstm')

    def clip_vector(self, x: Tensor) -> Tensor:
        """Return the last state of the LSTM."""
        frames = self.convs(x.transpose(1, 2).flatten(0, 1)).mean((-2, -1))  # (B*T,C)
        return self.rnn(frames.unflatten(0, (x.shape[0], -1)).transpose(0, 1))[-1]


def _conv(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
