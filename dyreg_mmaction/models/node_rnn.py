"""Recurrence of nodes over time."""

import torch
from torch import Tensor, nn

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
        # Half precision is left to the rest of the network: CPU autocast does not know these kernels
        with torch.autocast(nodes.device.type, enabled=False):
            sequence = nodes.to(self.rnn.weight_hh_l0.dtype).reshape(time, -1, channels)
            states, _ = self.rnn(sequence)
        return states.reshape(time, *batch, channels)
