"""RSTG's space stage: messages along the links of a graph."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import linear
from dyreg_mmaction.ops.adjacency import with_adjacent_frames

from ..linear import Linear
from ..norm import JointLayerNorm

ATTENTIONS = ('dot', 'simple')
ADJACENCIES = ('mask', 'multiply')


class NeighbourStage(nn.Module):
    r"""Update every node with the messages of the nodes that are linked to it.

    .. math::
        m_{ij} = MLP_s([v_j | p_j | v_i | p_i]), \quad
        a_{ij} = softmax_j(e_{ij}) \text{ over the nodes j linked to i}, \quad
        v_i \leftarrow MLP_u([v_i | \textstyle\sum_j a_{ij} m_{ij}])

    Both MLPs have two linear layers, each followed by a ReLU. The attention e is (Q v_i + q)^T (R v_j + r) ('dot') or
    leaky_relu(Q v_i + q + R v_j) with a single row Q and R ('simple'). A node without links receives zeros. With a mask
    softmax cancels r, which is therefore omitted.

    Source: RSTG (NeurIPS 2019).

    Args:
        channels (int): Width C of the nodes.
        position_channels (int): Width P of the positions p; 0: no positions.
        attention (str): 'dot' or 'simple'.
        adjacency (str): 'mask': unlinked nodes have weight 0; 'multiply': the adjacency multiplies the logits, so that
            unlinked nodes have the weight of a zero logit, as in the released code.
        joint_norm (bool): Whether to apply joint layer norms to the aggregated messages and to the updated nodes.
        across_frames (bool): Whether nodes are also linked to nodes of the previous and the next frame.

    Shapes:
        nodes (T, B, N, C), links (T, B, N, M), positions (T, B, N, P) -> (T, B, N, C), with M = N, or M = 3 N across
        frames.
    """

    def __init__(
        self,
        channels: int,
        position_channels: int = 0,
        attention: str = 'dot',
        adjacency: str = 'mask',
        joint_norm: bool = False,
        across_frames: bool = False,
    ) -> None:
        super().__init__()
        self.simple = attention == 'simple'
        self.mask = adjacency == 'mask'
        self.across_frames = across_frames
        self.send_in = Linear(2 * (channels + position_channels), channels)
        self.send_out = Linear(channels, channels)
        self.query = Linear(channels, 1 if self.simple else channels)
        # r adds the same constant to all linked logits, so softmax cancels it unless unlinked logits stay at 0
        # ('multiply'); in 'simple' q includes it
        key_bias = adjacency == 'multiply' and not self.simple
        self.key = Linear(channels, 1 if self.simple else channels, bias=key_bias)
        self.gather_norm = JointLayerNorm(channels) if joint_norm else None
        self.update = nn.Sequential(
            Linear(2 * channels, channels),
            nn.ReLU(inplace=True),
            Linear(channels, channels),
            nn.ReLU(inplace=True),
        )
        self.norm = JointLayerNorm(channels) if joint_norm else None
        self._init_weights()

    def _init_weights(self) -> None:
        """Initialize as in the released code; with PyTorch's default, a third of it, signals vanish over rounds."""
        for module in self.modules():
            if isinstance(module, Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(
        self, nodes: Tensor, links: Tensor, positions: Tensor | None = None, closed: Tensor | None = None
    ) -> Tensor:
        """Run one space stage. ``closed`` nodes (T, B, N) are excluded."""
        attention = self._attention(nodes, links, closed)
        located = nodes if positions is None else torch.cat((nodes, positions.to(nodes.dtype)), dim=-1)
        gathered = (attention[..., None, :] @ self._messages(located)).squeeze(-2)  # (T,B,N,C)
        gathered = gathered if self.gather_norm is None else self.gather_norm(gathered, closed)
        updated = self.update(torch.cat((nodes, gathered), dim=-1))
        return updated if self.norm is None else self.norm(updated, closed)

    def _attention(self, nodes: Tensor, links: Tensor, closed: Tensor | None = None) -> Tensor:
        """Return the weights a_ij, (T, B, N, M)."""
        query, key = self.query(nodes), self._senders(self.key(nodes)).transpose(-1, -2)
        # + 1 as in the released code; softmax cancels it with a mask
        logits = F.leaky_relu(query + key, 0.2) + 1 if self.simple else query @ key
        lowest = torch.finfo(logits.dtype).min
        sends = None if closed is None else ~self._senders(closed[..., None])[..., None, :, 0]  # (T,B,1,M)
        if not self.mask:
            logits = logits * links
            return (logits if sends is None else logits.masked_fill(~sends, lowest)).softmax(-1)
        links = links if sends is None else links & sends
        return logits.masked_fill(~links, lowest).softmax(-1) * links

    def _messages(self, nodes: Tensor) -> Tensor:
        """Return the messages (T, B, N, M, C). The first layer needs N projections: W [v_j | v_i] = W1 v_j + W2 v_i."""
        to_send, to_receive = self.send_in.weight.chunk(2, dim=1)
        sent = self._senders(linear(nodes, to_send))
        received = linear(nodes, to_receive, self.send_in.bias)
        return self.send_out((received[..., :, None, :] + sent[..., None, :, :]).relu_()).relu_()

    def _senders(self, nodes: Tensor) -> Tensor:
        """Return all nodes that can send to the nodes of each frame, (T, B, M, C)."""
        return with_adjacent_frames(nodes) if self.across_frames else nodes
