"""DyReg-GNN's graph as defined by the paper's equations, which differ from the released code."""

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, linear
from dyreg_mmaction.registry import MODELS

from ..linear import Linear
from ..node_rnn import NodeRNN


@MODELS.register_module()
class EquationGraph(nn.Module):
    r"""K rounds of a space stage and a time stage with shared weights, as in eq. 8 and 9 of the paper.

    .. math::
        v_i \leftarrow \textstyle\sum_j a_{ij} MLP([v_j; v_i]), \quad
        a_{ij} = softmax_j((Q v_i + q)^T (R v_j + r)), \quad
        \hat v_{i,t} = GRU(\hat v_{i,t-1}, v_{i,t})

    The MLP has two linear layers with a ReLU between them. Aggregated messages replace the nodes, and there are no
    norms. :class:`.SpaceTimeGraph` is the released model.

    Source: DyReg-GNN (NeurIPS 2021).

    Args:
        channels (int): Width C of the nodes.
        num_rounds (int): Number of rounds K, at least 1.
        rnn (str): 'gru' or 'lstm'.

    Shapes:
        nodes (B, T, N, C) -> (B, T, N, C), for any B, T and N.

    Raises:
        ValueError: If ``num_rounds`` is below 1 or ``rnn`` is unknown.
    """

    def __init__(self, channels: int, num_rounds: int = 3, rnn: str = 'gru') -> None:
        super().__init__()
        if num_rounds < 1:
            raise ValueError(f'num_rounds is {num_rounds}, but must be at least 1')
        self.num_rounds = num_rounds
        self.send = Linear(2 * channels, channels)
        self.send_out = Linear(channels, channels)
        self.query = Linear(channels, channels)
        self.key = Linear(channels, channels)
        self.time = NodeRNN(channels, rnn)

    def forward(self, nodes: Tensor, regions: Regions | None = None, closed: Tensor | None = None) -> Tensor:
        """Return the nodes after message passing. ``closed`` nodes (B, T, N) are excluded; regions are not used."""
        closed = None if closed is None else closed.transpose(0, 1)
        v = nodes.transpose(0, 1)  # (T,B,N,C)
        for _ in range(self.num_rounds):
            v = self.time(self._gather(v, closed))
        return v.transpose(0, 1)  # (B,T,N,C)

    def _gather(self, nodes: Tensor, closed: Tensor | None) -> Tensor:
        logits = self.query(nodes) @ self.key(nodes).transpose(-1, -2)  # (T,B,N,N)
        if closed is not None:
            logits = logits.masked_fill(closed[..., None, :], torch.finfo(logits.dtype).min)
        # W [v_j; v_i] = W1 v_j + W2 v_i; because the attention sums to 1, the last layer can follow the sum
        to_send, to_receive = self.send.weight.chunk(2, dim=1)
        sent, received = linear(nodes, to_send), linear(nodes, to_receive, self.send.bias)
        hidden = (received[..., :, None, :] + sent[..., None, :, :]).relu()  # (T,B,N,N,C)
        attention = logits.softmax(-1).to(hidden.dtype)
        return self.send_out((attention[..., None, :] @ hidden).squeeze(-2))
