"""Recurrent networks of nodes over time."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import gru, lstm, without_autocast
from dyreg_mmaction.ops.tracing import is_traced

RNNS = ('gru', 'lstm')


class NodeRNN(nn.Module):
    """One recurrent layer over time for each node, with shared weights and a zero initial state, eq. 3 and 9.

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
        """Return the hidden states of each frame: (T, B, N, C) -> (T, B, N, C), time first."""
        time, *batch, channels = nodes.shape
        return run_rnn(self.rnn, nodes.reshape(time, -1, channels)).reshape(time, *batch, channels)


def recurrent_net(kind: str, channels: int) -> nn.RNNBase:
    """Build the weights of one recurrent layer, named and initialized as in ``nn.GRU`` or ``nn.LSTM``.

    torch.compile breaks the graph at ``nn.GRU`` and ``nn.LSTM``, but not at their base class ``nn.RNNBase``.

    Raises:
        ValueError: If ``kind`` is unknown.
    """
    if kind not in RNNS:
        raise ValueError(f'rnn={kind!r} is unknown; choose one of {sorted(RNNS)}')
    return nn.RNNBase(kind.upper(), channels, channels)


def run_rnn(rnn: nn.RNNBase, sequence: Tensor) -> Tensor:
    """Compute the hidden states of one recurrent layer from a zero state: (T, B, C) -> (T, B, C').

    Under autocast, cuDNN runs in half precision; on CPUs, whose autocast does not support these kernels, they run in
    the precision of the weights.
    """
    weights: list[Tensor] = list(rnn.all_weights[0])
    on_cpu = sequence.device.type == 'cpu'
    with without_autocast(sequence) if on_cpu else nullcontext():
        sequence = sequence.to(weights[0].dtype)
        # PyTorch's kernels break the graph of torch.compile, but are a single operation in exported files
        if torch.compiler.is_dynamo_compiling() or rnn.mode == 'GRU' and on_cpu and not is_traced():
            return (gru if rnn.mode == 'GRU' else lstm)(sequence, *weights)
        start = sequence.new_zeros(1, sequence.shape[1], rnn.hidden_size)
        options = (True, 1, 0.0, rnn.training, False, False)  # biases, layers, dropout, bidirectional, batch first
        if rnn.mode == 'GRU':
            return torch.gru(sequence, start, weights, *options)[0]
        return torch.lstm(sequence, (start, start), weights, *options)[0]
