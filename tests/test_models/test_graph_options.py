"""Variants of the released graph, and the graph of the paper's equations, against loops over pairs of nodes."""

import pytest
import torch
from torch.nn import functional as F

from dyreg_mmaction.models.graphs import EquationGraph, SpaceTimeGraph
from dyreg_mmaction.models.graphs.space_time import SpaceStage
from dyreg_mmaction.registry import MODELS

VARIANTS = [
    dict(send_layers=2),
    dict(update_layers=1),
    dict(update_layers=2, aggregation='mean'),
    dict(send_layers=2, update_layers=2, combine_by_sum=False),
    dict(send_layers=1, update_layers=1, combine_by_sum=False, aggregation='mean'),
    dict(send_layers=2, aggregation='mean'),
]


def randomized(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module.double()


def plain_stage(stage, v):
    """Compute one frame (N, C) as in the released code: a message for each pair."""
    nodes, channels = v.shape
    messages = v.new_zeros(nodes, nodes, channels)
    for i in range(nodes):
        for j in range(nodes):
            m = stage.send(v[j] + v[i] if stage.combine_by_sum else torch.cat((v[j], v[i]))).relu()
            messages[i, j] = m if stage.send_out is None else stage.send_out(m).relu()
    norm = stage.message_norm
    messages = F.layer_norm(messages, messages.shape) * norm.weight + norm.bias
    if stage.query is None:
        gathered = messages.mean(1)
    else:
        attention = (stage.query(v) @ stage.key(v).T).softmax(-1)
        gathered = (torch.einsum('ij,ijc->ic', attention, messages) + stage.gather_bias).relu()
    updated = v + gathered if stage.combine_by_sum else torch.cat((v, gathered), -1)
    for layer in stage.update:
        updated = layer[0](updated).relu()
    return F.layer_norm(updated, updated.shape) * stage.norm.weight + stage.norm.bias


@pytest.mark.parametrize('options', [{}, *VARIANTS], ids=str)
def test_variants_compute_the_released_result(options):
    stage, nodes = randomized(SpaceStage(4, **options)), torch.randn(2, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(stage(nodes), torch.stack([plain_stage(stage, v) for v in nodes]))


@pytest.mark.parametrize('options', VARIANTS, ids=str)
def test_variants_in_configs_and_with_closed_nodes(options):
    graph = randomized(MODELS.build(dict(type='SpaceTimeGraph', channels=4, num_rounds=1, **options)))
    nodes, closed = torch.randn(1, 2, 5, 4, dtype=torch.float64), torch.tensor([False, True, False, False, True])
    expected = graph(nodes[:, :, ~closed])
    torch.testing.assert_close(graph(nodes, None, closed.expand(1, 2, 5))[:, :, ~closed], expected)


def test_default_weights_and_results_are_unchanged():
    torch.manual_seed(0)
    given = SpaceTimeGraph(4).state_dict()
    assert not any('send_out' in key or 'update' in key for key in given)
    torch.manual_seed(0)
    explicit = SpaceTimeGraph(4, send_layers=1, update_layers=0, combine_by_sum=True, aggregation='dot').state_dict()
    assert all(torch.equal(given[key], explicit[key]) for key in given)


def test_equation_graph_computes_eq_8_and_9():
    graph, nodes = randomized(EquationGraph(4, num_rounds=2)), torch.randn(1, 3, 5, 4, dtype=torch.float64)
    rnn = torch.nn.GRU(4, 4).double()
    rnn.load_state_dict(graph.time.rnn.state_dict())
    v = nodes[0]
    for _ in range(2):
        gathered = torch.zeros_like(v)
        for t in range(3):
            attention = (graph.query(v[t]) @ graph.key(v[t]).T).softmax(-1)
            for i in range(5):
                for j in range(5):
                    message = graph.send_out(graph.send(torch.cat((v[t, j], v[t, i]))).relu())
                    gathered[t, i] += attention[i, j] * message
        v = rnn(gathered)[0]
    torch.testing.assert_close(graph(nodes)[0], v)
    closed = torch.tensor([False, True, False, False, True])
    alone = graph(nodes[:, :, ~closed])
    torch.testing.assert_close(graph(nodes, None, closed.expand(1, 3, 5))[:, :, ~closed], alone)


def test_module_with_all_equation_options_learns():
    cfg = dict(
        type='DyRegGNN',
        in_channels=4,
        feature_size=8,
        kernel='raw_tent',
        regions=dict(type='DynamicRegions', hidden_channels=8, initial_half_size=1 / 6),
        graph=dict(type='EquationGraph'),
    )
    module, x = MODELS.build(cfg), torch.randn(2, 4, 3, 8, 8)
    assert torch.equal(module(x), x)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (module(x) - x.flip(1)).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())
    assert module.regions.predictor.alpha.grad.any() and module.graph.send.weight.grad.any()


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(send_layers=3), r'send_layers=3 is unknown; choose one of \(1, 2\)'),
        (dict(update_layers=-1), 'update_layers=-1 is unknown'),
        (dict(aggregation='sum'), r"aggregation='sum' is unknown; choose one of \('dot', 'mean'\)"),
        (dict(combine_by_sum=False), 'set update_layers=1 or 2'),
    ],
)
def test_incompatible_options_raise_errors(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        SpaceTimeGraph(4, **options)
    with pytest.raises(ValueError, match='num_rounds is 0, but must be at least 1'):
        EquationGraph(4, num_rounds=0)
