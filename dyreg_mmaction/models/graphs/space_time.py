"""DyReg-GNN's graph: alternating recurrence in time and attention in space."""

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, gather_messages, gather_normalized, linear
from dyreg_mmaction.registry import MODELS

from ..linear import Linear
from ..node_rnn import NodeRNN
from ..norm import JointLayerNorm


@MODELS.register_module()
class SpaceTimeGraph(nn.Module):
    r"""K rounds of a time stage and a space stage with shared weights, then a final time stage, eq. 8 and 9.

    A space stage of a frame, with joint layer norms over all messages and over all nodes:

    .. math::
        m_{ij} = LN(relu(S (v_i + v_j) + s)), \quad
        a_{ij} = softmax_j((Q v_i + q)^T (R v_j + r)), \quad
        v_i \leftarrow LN(v_i + relu(\textstyle\sum_j a_{ij} m_{ij} + b))

    Source: DyReg-GNN (NeurIPS 2021), with the arithmetic of the released model.

    Args:
        channels (int): Width C of the nodes.
        num_rounds (int): Number of rounds K, at least 1.
        rnn (str): 'gru' or 'lstm'.
        send_layers, update_layers, combine_by_sum, aggregation: Variants of the released code, see :class:`SpaceStage`;
            the defaults are the released model.

    Shapes:
        nodes (B, T, N, C) -> (B, T, N, C), for any B, T and N.

    Raises:
        ValueError: If ``num_rounds`` is below 1, or an option is unknown or incompatible.
    """

    def __init__(
        self,
        channels: int,
        num_rounds: int = 3,
        rnn: str = 'gru',
        send_layers: int = 1,
        update_layers: int = 0,
        combine_by_sum: bool = True,
        aggregation: str = 'dot',
    ) -> None:
        super().__init__()
        if num_rounds < 1:
            raise ValueError(f'num_rounds is {num_rounds}, but must be at least 1')
        self.num_rounds = num_rounds
        self.norm = JointLayerNorm(channels)
        self.time = NodeRNN(channels, rnn)
        self.space = SpaceStage(channels, send_layers, update_layers, combine_by_sum, aggregation)
        self.final_time = NodeRNN(channels, rnn)

    def forward(self, nodes: Tensor, regions: Regions | None = None, closed: Tensor | None = None) -> Tensor:
        """Return the nodes after message passing. ``closed`` nodes (B, T, N) are excluded; regions are not used."""
        closed = None if closed is None else closed.transpose(0, 1)
        v = self.norm(nodes.transpose(0, 1), closed)  # (T,B,N,C)
        for _ in range(self.num_rounds):
            v = self.time(v)
            v = self.space(v, closed)
        return self.final_time(v).transpose(0, 1)  # (B,T,N,C)


class SpaceStage(nn.Module):
    """Messages between all nodes of a frame, aggregated by dot-product attention, eq. 8.

    Args:
        channels (int): Width C of the nodes.
        send_layers (int): Number of linear layers, each with a ReLU, of a message: 1 or 2.
        update_layers (int): Number of linear layers, each with a ReLU, of the update before its norm: 0, 1 or 2.
        combine_by_sum (bool): Whether messages are computed from v_j + v_i and updates from v_i + aggregated messages,
            or from the concatenations [v_j; v_i], as in eq. 8, and [v_i; aggregated messages].
        aggregation (str): 'dot', or 'mean': mean of all messages, without bias and ReLU.

    Shapes:
        (..., N, C) -> (..., N, C)

    Raises:
        ValueError: If an option is unknown, or ``combine_by_sum=False`` has no update layer.
    """

    def __init__(
        self,
        channels: int,
        send_layers: int = 1,
        update_layers: int = 0,
        combine_by_sum: bool = True,
        aggregation: str = 'dot',
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ('send_layers', send_layers, (1, 2)),
            ('update_layers', update_layers, (0, 1, 2)),
            ('aggregation', aggregation, ('dot', 'mean')),
        ):
            if value not in choices:
                raise ValueError(f'{name}={value!r} is unknown; choose one of {choices}')
        if not combine_by_sum and not update_layers:
            raise ValueError('combine_by_sum=False requires an update layer; set update_layers=1 or 2')
        width = channels if combine_by_sum else 2 * channels
        self.combine_by_sum = combine_by_sum
        self.send = Linear(width, channels)
        self.send_out = Linear(channels, channels) if send_layers == 2 else None
        self.message_norm = JointLayerNorm(channels)
        dot = aggregation == 'dot'
        self.query = Linear(channels, channels) if dot else None
        self.key = Linear(channels, channels) if dot else None
        self.gather_bias = nn.Parameter(torch.zeros(channels)) if dot else None
        widths = [width, *[channels] * update_layers]
        layers = [nn.Sequential(Linear(*pair), nn.ReLU()) for pair in zip(widths, widths[1:], strict=False)]
        self.update = nn.Sequential(*layers)
        self.norm = JointLayerNorm(channels)

    def forward(self, nodes: Tensor, closed: Tensor | None = None) -> Tensor:
        """Run one space stage. ``closed`` nodes (..., N) are excluded."""
        gathered = self._gather(nodes, self._attention(nodes, closed), closed)
        # because the attention sums to 1, scale and bias of the messages' norm can follow the sum
        gathered = torch.addcmul(self.message_norm.bias, gathered, self.message_norm.weight)
        if self.gather_bias is not None:
            gathered = (gathered + self.gather_bias).relu()
        combined = nodes + gathered if self.combine_by_sum else torch.cat((nodes, gathered.to(nodes.dtype)), dim=-1)
        return self.norm(self.update(combined), closed)

    def _attention(self, nodes: Tensor, closed: Tensor | None) -> Tensor:
        """Return the weights a_ij, (..., N, N)."""
        if self.query is None or self.key is None:
            logits = nodes.new_zeros(*nodes.shape[:-1], nodes.shape[-2])
        else:
            logits = self.query(nodes) @ self.key(nodes).transpose(-1, -2)
        if closed is not None:
            logits = logits.masked_fill(closed[..., None, :], torch.finfo(logits.dtype).min)
        return logits.softmax(-1)

    def _gather(self, nodes: Tensor, attention: Tensor, closed: Tensor | None) -> Tensor:
        """Aggregate the normalized messages. Their first layer needs N projections, not N * N."""
        if self.combine_by_sum:
            received = sent = linear(nodes, self.send.weight)
        else:
            sent, received = (linear(nodes, weight) for weight in self.send.weight.chunk(2, dim=1))
        received = received + self.send.bias
        if self.send_out is None:
            return gather_messages(received, sent, attention, closed=closed)
        messages = self.send_out((received[..., :, None, :] + sent[..., None, :, :]).relu()).relu()  # (...,N,N,C)
        return gather_normalized(messages, attention, closed=closed)
