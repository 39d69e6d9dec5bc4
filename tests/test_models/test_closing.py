"""Closed nodes send no messages and are not unpooled."""

import pytest
import torch
from torch import nn

from dyreg_mmaction.models.closing import close_nodes
from dyreg_mmaction.models.dyreg_gnn import DyRegGNN
from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.models.graphs.rstg import MultiScaleGraph
from dyreg_mmaction.models.graphs.space_time import SpaceTimeGraph
from dyreg_mmaction.models.heads.rstg_to_vec import RSTGToVec
from dyreg_mmaction.models.regions.fixed import FixedRegions
from dyreg_mmaction.models.rstg import RSTG


def module(cls=DyRegGNN, **kwargs):
    """Return a module with a residual that is not 0."""
    torch.manual_seed(0)
    built = cls(8, 6, **kwargs).eval()
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.5)
    return built


def closed(*nodes, num_nodes=9, clips=2, frames=1):
    mask = torch.zeros(clips, frames, num_nodes, dtype=torch.bool)
    mask[..., list(nodes)] = True
    return mask


@pytest.mark.parametrize('cls', [DyRegGNN, RSTG])
@pytest.mark.parametrize('node_channels', [8, 4])
@torch.no_grad()
def test_no_node_closed_is_bit_equal_and_all_closed_is_the_identity(cls, node_channels):
    plugin, x = module(cls, node_channels=node_channels), torch.randn(2, 8, 3, 6, 6)
    plain = plugin(x)
    assert not torch.allclose(plain, x, atol=0.1)
    with close_nodes({plugin: closed(num_nodes=plugin.num_nodes)}):
        assert torch.equal(plugin(x), plain)
    with close_nodes({plugin: closed(*range(plugin.num_nodes), num_nodes=plugin.num_nodes)}):
        assert torch.equal(plugin(x), x)
    assert torch.equal(plugin(x), plain)


@torch.no_grad()
def test_closed_node_is_not_unpooled():
    plugin = module(regions=dict(type='FixedRegions', grids=[(3, 3)]), kernel='area')
    plugin.graph = PassOn()
    x = torch.randn(2, 8, 3, 6, 6)
    with close_nodes({plugin: closed(4)}):
        change = (plugin(x) - x).sub(plugin.norm.bias[:, None, None, None])
    center = change[..., 2:4, 2:4].flatten(-2)
    assert torch.allclose(center, center[..., :1].expand_as(center), atol=1e-5) and change.std() > 0.1


class PassOn(nn.Module):
    def forward(self, nodes, regions, closed=None):
        return nodes


@torch.no_grad()
def test_frames_are_closed_separately():
    plugin, x = module(), torch.randn(1, 8, 3, 6, 6)
    plain = plugin(x)
    last = closed(*range(9), clips=1, frames=3)
    last[:, :2] = False
    with close_nodes({plugin: last}):
        y = plugin(x)
    assert torch.equal(y[:, :, 2], x[:, :, 2])
    assert torch.allclose(y[:, :, :2], plain[:, :, :2], atol=1e-4)


@torch.no_grad()
def test_clips_have_their_own_closed_nodes_also_in_partial_batches():
    plugin, x = module(), torch.randn(3, 8, 2, 6, 6)
    mask = torch.eye(9, dtype=torch.bool)[:3, None]
    with close_nodes({plugin: mask}):
        whole = plugin(x)
    with close_nodes({plugin: mask}):
        parts = torch.cat([plugin(x[:1]), plugin(x[1:])])
    assert torch.allclose(whole, parts, atol=1e-5) and not torch.allclose(whole, plugin(x), atol=1e-3)


@pytest.mark.parametrize(
    'graph',
    [
        lambda: SpaceTimeGraph(8),
        lambda: MultiScaleGraph(8),
        lambda: MultiScaleGraph(8, adjacency='multiply', norm='LN'),
        lambda: MultiScaleGraph(8, attention='simple', positional=True),
        lambda: MultiScaleGraph(8, stages='homogenous', norm='LN'),
    ],
    ids=['DyReg-GNN', 'RSTG', 'as released', 'simple', 'homogenous'],
)
@torch.no_grad()
def test_graph_only_uses_open_nodes(graph):
    torch.manual_seed(0)
    graph = graph().eval()
    for parameter in graph.parameters():
        nn.init.normal_(parameter, std=0.5)
    nodes = torch.randn(2, 3, 9, 8)
    regions = FixedRegions(9)(torch.empty(2, 3, 8, 6, 6))
    kept = [0, 1, 2, 3, 5, 6, 8]
    fewer = regions._replace(center=regions.center[:, :, kept], half_size=regions.half_size[:, :, kept])
    open_nodes = graph(nodes, regions, closed(4, 7).expand(2, 3, 9))[:, :, kept]
    assert torch.allclose(open_nodes, graph(nodes[:, :, kept], fewer), atol=1e-5)
    assert not torch.allclose(open_nodes, graph(nodes, regions)[:, :, kept], atol=1e-4)


@torch.no_grad()
def test_clip_with_all_nodes_open_is_unchanged():
    plugin, x = module(), torch.randn(1, 8, 2, 6, 6).expand(3, -1, -1, -1, -1)
    plain = plugin(x)
    with close_nodes({plugin: torch.cat([closed(clips=1), closed(3, clips=1), closed(*range(9), clips=1)])}):
        y = plugin(x)
    assert torch.equal(y[0], plain[0]) and torch.equal(y[2], x[2])
    assert torch.isfinite(y).all() and not torch.allclose(y[1], plain[1], atol=1e-3)


def test_region_graphs_have_the_paths_of_their_regions():
    model = nn.ModuleDict(dict(head=RSTGToVec(5, 8, 4, node_channels=8, num_segments=2), other=nn.Linear(2, 2)))
    assert region_graphs(model) == {'head.nodes': model['head'].nodes}


@torch.no_grad()
def test_nodes_of_a_head_are_closed():
    torch.manual_seed(0)
    head, x = RSTGToVec(5, 8, 4, node_channels=8, num_segments=2).eval(), torch.randn(1, 8, 2, 4, 4)
    mask = closed(*range(14), num_nodes=14, clips=1)
    with close_nodes({head.nodes: mask}):
        assert torch.equal(head.clip_vector(x), torch.zeros(1, 8))
    plain = head.clip_vector(x)
    with close_nodes({head.nodes: ~mask}):
        assert torch.equal(head.clip_vector(x), plain)
        with pytest.raises(ValueError, match='1 clips, but its forwards have more'):
            head.clip_vector(x)
