"""DyReg-GNN's graph: recurrence in time and attention in space, in turn."""

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, gather_messages, linear
from dyreg_mmaction.registry import MODELS

from ..linear import Linear
from ..node_rnn import NodeRNN
from ..norm import JointLayerNorm


@MODELS.register_module()
class SpaceTimeGraph(nn.Module):
    r"""K rounds of a time stage and a space stage with shared weights, then a time stage of its own, eq. 8 and 9.

    A space stage at one frame, with joint layer norms (over all messages, over all nodes):

    .. math::
        m_{ij} = LN(relu(S (v_i + v_j) + s)), \quad
        a_{ij} = softmax_j((Q v_i + q)^T (R v_j + r)), \quad
        v_i \leftarrow LN(v_i + relu(\textstyle\sum_j a_{ij} m_{ij} + b))

    Source: DyReg-GNN (NeurIPS 2021), arithmetic of the released model.

    Args:
        channels (int): Width C of the nodes.
        num_rounds (int): K, at least 1.
        rnn (str): 'gru' or 'lstm'.

    Shapes:
        nodes (B, T, N, C) -> (B, T, N, C), for any B, T and N.

    Raises:
        ValueError: If ``num_rounds`` is below 1 or ``rnn`` is unknown.
    """

    def __init__(self, channels: int, num_rounds: int = 3, rnn: str = 'gru') -> None:
        super().__init__()
        if num_rounds < 1:
            raise ValueError(f'num_rounds={num_rounds} must be at least 1')
        self.num_rounds = num_rounds
        self.norm = JointLayerNorm(channels)
        self.time = NodeRNN(channels, rnn)
        self.space = SpaceStage(channels)
        self.final_time = NodeRNN(channels, rnn)

    def forward(self, nodes: Tensor, regions: Regions | None = None, closed: Tensor | None = None) -> Tensor:
        """Nodes after message passing without those that are ``closed`` (B, T, N); regions are not used."""
        closed = None if closed is None else closed.transpose(0, 1)
        v = self.norm(nodes.transpose(0, 1), closed)  # (T,B,N,C)
        for _ in range(self.num_rounds):
            v = self.time(v)
            v = self.space(v, closed)
        return self.final_time(v).transpose(0, 1)  # (B,T,N,C)


class SpaceStage(nn.Module):
    """Messages between all nodes of a frame, gathered by dot-product attention, eq. 8.

    Args:
        channels (int): Width C of the nodes.

    Shapes:
        (..., N, C) -> (..., N, C)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.send = Linear(channels, channels)
        self.message_norm = JointLayerNorm(channels)
        self.query = Linear(channels, channels)
        self.key = Linear(channels, channels)
        self.gather_bias = nn.Parameter(torch.zeros(channels))
        self.norm = JointLayerNorm(channels)

    def forward(self, nodes: Tensor, closed: Tensor | None = None) -> Tensor:
        """One space stage without the nodes that are ``closed`` (..., N)."""
        logits = self.query(nodes) @ self.key(nodes).transpose(-1, -2)  # (...,N,N)
        if closed is not None:
            logits = logits.masked_fill(closed[..., None, :], torch.finfo(logits.dtype).min)
        attention = logits.softmax(-1)
        sent = linear(nodes, self.send.weight)  # N projections instead of N * N
        gathered = gather_messages(sent + self.send.bias, sent, attention, closed=closed)
        # as the attention sums to 1, scale and bias of the messages' norm may follow the sum
        gathered = torch.addcmul(self.message_norm.bias, gathered, self.message_norm.weight)
        return self.norm(nodes + (gathered + self.gather_bias).relu(), closed)
