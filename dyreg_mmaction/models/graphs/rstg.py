"""RSTG's graph: alternating recurrence in time and messages between neighboring regions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, open_layer_norm
from dyreg_mmaction.ops.adjacency import space_links, space_time_links
from dyreg_mmaction.ops.positions import MAP_SIZE, gaussian_maps
from dyreg_mmaction.registry import MODELS

from ..node_rnn import NodeRNN
from .neighbour_stage import ADJACENCIES, ATTENTIONS, NeighbourStage

# whether there are time stages, space stages, and a final time stage (otherwise nodes are averaged over time)
STAGES = {
    'all-temp': (True, True, True),
    '1-temp': (False, True, True),
    'time-only': (True, False, True),
    'space-only': (False, True, False),
    'homogenous': (False, True, False),
}
NORMS = {None: lambda channels: nn.Identity(), 'LN': lambda channels: nn.GroupNorm(1, channels), 'BN': nn.BatchNorm1d}


@MODELS.register_module()
class MultiScaleGraph(nn.Module):
    r"""K rounds of a time stage (an LSTM per node) and a space stage with shared weights, then a final time stage.

    Nodes of a frame are linked if their regions overlap or share an edge. :class:`.NeighbourStage` defines the
    messages. Any regions can be used, including moving ones.

    Source: RSTG (NeurIPS 2019). docs/research/rstg.md lists the differences between poster and released code, and our
    choices.

    Args:
        channels (int): Width C of the nodes.
        num_rounds (int): Number of rounds K, at least 1.
        stages (str): 'all-temp', or an ablation: '1-temp': only the final time stage; 'time-only': no space stages;
            'space-only': no time stages, nodes are averaged over time; 'homogenous': a single kind of stage with
            messages from neighbors in space and time, nodes are averaged over time at the end.
        attention (str): 'dot' or 'simple', see :class:`.NeighbourStage`.
        positional (bool): Whether messages depend on the positions of sender and receiver, as Gaussian maps.
        norm (str, optional): 'LN': joint layer norms of the nodes before the graph, of the aggregated messages and of
            the updates (released for Something-Something); 'BN': batch norm before the graph (released for SyncMNIST).
        adjacency (str): 'mask', or 'multiply' as in the released code, see :class:`.NeighbourStage`.

    Shapes:
        nodes (B, T, N, C) -> (B, T, N, C), for any B, T and N.

    Raises:
        ValueError: If ``num_rounds`` is below 1, or an option is unknown or incompatible.
    """

    def __init__(
        self,
        channels: int,
        num_rounds: int = 3,
        stages: str = 'all-temp',
        attention: str = 'dot',
        positional: bool = False,
        norm: str | None = None,
        adjacency: str = 'mask',
    ) -> None:
        super().__init__()
        if num_rounds < 1:
            raise ValueError(f'num_rounds is {num_rounds}, but must be at least 1')
        _check_choice('stages', stages, list(STAGES))
        _check_choice('attention', attention, ATTENTIONS)
        _check_choice('norm', norm, list(NORMS))
        _check_choice('adjacency', adjacency, ADJACENCIES)
        self.across_frames = stages == 'homogenous'
        if self.across_frames and adjacency == 'multiply':
            raise ValueError("adjacency='multiply' links nodes to frames outside the clip; set adjacency='mask'")
        time, space, final_time = STAGES[stages]
        self.num_rounds = num_rounds
        self.positional = positional
        self.norm = NORMS[norm](channels)
        self.time = NodeRNN(channels, 'lstm') if time else None
        self.space = None
        if space:
            position_channels = MAP_SIZE**2 if positional else 0
            self.space = NeighbourStage(
                channels, position_channels, attention, adjacency, norm == 'LN', self.across_frames
            )
        self.final_time = NodeRNN(channels, 'lstm') if final_time else None

    def forward(self, nodes: Tensor, regions: Regions, closed: Tensor | None = None) -> Tensor:
        """Return the nodes after message passing. ``closed`` nodes (B, T, N) are excluded."""
        links, positions = self._links(regions)
        v = self._normalize(nodes, closed).transpose(0, 1)  # (T,B,N,C)
        closed = None if closed is None else closed.transpose(0, 1)
        for _ in range(self.num_rounds):
            if self.time is not None:
                v = self.time(v)
            if self.space is not None:
                v = self.space(v, links, positions, closed)
        v = v.mean(0, keepdim=True).expand_as(v) if self.final_time is None else self.final_time(v)
        return v.transpose(0, 1)  # (B,T,N,C)

    def _normalize(self, nodes: Tensor, closed: Tensor | None) -> Tensor:
        if closed is not None and isinstance(self.norm, nn.GroupNorm):
            return torch.addcmul(self.norm.bias, open_layer_norm(nodes, closed, self.norm.eps), self.norm.weight)
        v = self.norm(nodes.flatten(0, 1).transpose(1, 2)).transpose(1, 2)  # (B*T,N,C)
        return v.unflatten(0, nodes.shape[:2])

    def _links(self, regions: Regions) -> tuple[Tensor | None, Tensor | None]:
        """Return links (T, B, N, M) and positions (T, B, N, 36), None if they are not used."""
        if self.space is None:
            return None, None
        if not isinstance(regions, Regions):
            raise ValueError(
                'MultiScaleGraph requires rectangular regions, but the region source returns maps; use FixedRegions, '
                "DynamicRegions, ..., or graph=dict(type='SpaceTimeGraph')"
            )
        regions = regions.on_map()
        boxes = regions.boxes().detach().transpose(0, 1)
        links = space_time_links(boxes) if self.across_frames else space_links(boxes)
        return links, gaussian_maps(regions).transpose(0, 1) if self.positional else None


def _check_choice(name: str, value: object, choices: Sequence) -> None:
    if value not in choices:
        raise ValueError(f'{name}={value!r} is unknown; choose one of {list(choices)}')
