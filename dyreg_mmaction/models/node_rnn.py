"""Recurrence of nodes over time."""

from contextlib import nullcontext

from torch import Tensor, nn

from dyreg_mmaction.ops import without_autocast

RNNS = {'gru': nn.GRU, 'lstm': nn.LSTM}


class NodeRNN(nn.Module):
    """One recurrent layer over time, run for each node with shared weights and a zero initial state, eq. 3 and 9.

    Args:
        channels (int): Width C of the nodes and of the hidden state.
        kind (str): 'gru' or 'lstm'.

    Raises:
        ValueError: If ``kind`` is unknown.
    """

    def __init__(self, channels: int, kind: str = 'gru') -> None:
        super().__init__()
        if kind not in RNNS:
            raise ValueError(f'rnn={kind!r} is unknown; choose one of {sorted(RNNS)}')
        self.rnn = RNNS[kind](channels, channels)

    def forward(self, nodes: Tensor) -> Tensor:
        """Hidden states at each frame: (T, B, N, C) -> (T, B, N, C), time first as the kernels want it."""
        time, *batch, channels = nodes.shape
        return run_rnn(self.rnn, nodes.reshape(time, -1, channels)).reshape(time, *batch, channels)


def run_rnn(rnn: nn.RNNBase, sequence: Tensor) -> Tensor:
    """Hidden states of a recurrent net: (T, B, C) -> (T, B, C'), under autocast too.

    cuDNN knows half precision; CPU autocast does not know these kernels, which then run in the weights' precision.
    """
    with without_autocast(sequence) if sequence.device.type == 'cpu' else nullcontext():
        return rnn(sequence.to(rnn.all_weights[0][0].dtype))[0]
