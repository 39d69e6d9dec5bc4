"""Recurrence of nodes over time."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import gru, lstm, without_autocast
from dyreg_mmaction.ops.tracing import is_traced

RNNS = ('gru', 'lstm')


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
        self.rnn = recurrent_net(kind, channels)

    def forward(self, nodes: Tensor) -> Tensor:
        """Hidden states at each frame: (T, B, N, C) -> (T, B, N, C), time first as the kernels want it."""
        time, *batch, channels = nodes.shape
        return run_rnn(self.rnn, nodes.reshape(time, -1, channels)).reshape(time, *batch, channels)


def recurrent_net(kind: str, channels: int) -> nn.RNNBase:
    """Weights of a recurrent net of one layer, named and initialised as those of ``nn.GRU`` or ``nn.LSTM``.

    Compilers refuse modules of these two classes as such; for what they share, their base, they do not care.

    Raises:
        ValueError: If ``kind`` is unknown.
    """
    if kind not in RNNS:
        raise ValueError(f'rnn={kind!r} is unknown; choose one of {sorted(RNNS)}')
    return nn.RNNBase(kind.upper(), channels, channels)


def run_rnn(rnn: nn.RNNBase, sequence: Tensor) -> Tensor:
    """Hidden states of a recurrent net of one layer, from zero: (T, B, C) -> (T, B, C'), under autocast too.

    cuDNN knows half precision; CPU autocast does not know these kernels, which then run in the weights' precision.
    """
    weights: list[Tensor] = list(rnn.all_weights[0])
    on_cpu = sequence.device.type == 'cpu'
    with without_autocast(sequence) if on_cpu else nullcontext():
        sequence = sequence.to(weights[0].dtype)
        # PyTorch's own would break a compiler's graph; in an exported file they are one operation, not five a frame
        if torch.compiler.is_dynamo_compiling() or rnn.mode == 'GRU' and on_cpu and not is_traced():
            return (gru if rnn.mode == 'GRU' else lstm)(sequence, *weights)
        start = sequence.new_zeros(1, sequence.shape[1], rnn.hidden_size)
        options = (True, 1, 0.0, rnn.training, False, False)  # biases, layers, dropout, bidirectional, batch first
        if rnn.mode == 'GRU':
            return torch.gru(sequence, start, weights, *options)[0]
        return torch.lstm(sequence, (start, start), weights, *options)[0]
