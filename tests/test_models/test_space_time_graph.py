import numpy as np
import pytest
import reference_dyreg
import torch
from parity import to_ours
from torch import nn

from dyreg_mmaction.models.graphs import SpaceTimeGraph
from dyreg_mmaction.models.graphs.space_time import SpaceStage
from dyreg_mmaction.models.node_rnn import NodeRNN
from dyreg_mmaction.models.norm import JointLayerNorm


def build(channels=6, **kwargs):
    torch.manual_seed(0)
    graph = SpaceTimeGraph(channels, **kwargs)
    torch.nn.init.normal_(graph.space.gather_bias, std=0.3)
    return graph


@pytest.mark.parametrize('rnn', ['GRU', 'LSTM'])
@pytest.mark.parametrize('num_nodes', [1, 2, 9, 17])
def test_graph_computes_the_released_result_for_any_number_of_nodes(rnn, num_nodes):
    state = reference_dyreg.random_state(6, 6, (7, 7), rnn=rnn, seed=num_nodes)
    state = reference_dyreg.strip(state, 'dynamic_graph.rstg.')
    graph = build(rnn=rnn.lower()).double()
    graph.load_state_dict({key[len('graph.') :]: value for key, value in to_ours(state, 'dynamic_graph.rstg.').items()})
    nodes = torch.randn(2, 3, num_nodes, 6, dtype=torch.float64)
    expected = reference_dyreg.rstg({key: value.astype(np.float64) for key, value in state.items()}, nodes.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(graph(nodes), expected, rtol=0, atol=1e-12)


def test_gradients_in_float64():
    graph = build(4).double()
    names, parameters = zip(*graph.named_parameters(), strict=True)

    def call(nodes, *values):
        return torch.func.functional_call(graph, dict(zip(names, values, strict=True)), nodes)

    nodes = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (nodes, *parameters), fast_mode=True)


def test_norm_of_messages_may_follow_their_sum():
    stage, nodes = SpaceStage(4).double(), torch.randn(2, 3, 4).double()
    for parameter in (stage.message_norm.weight, stage.message_norm.bias, stage.gather_bias):
        torch.nn.init.normal_(parameter)
    messages = stage.send(nodes[:, :, None] + nodes[:, None]).relu()
    normed = torch.nn.functional.layer_norm(messages, (3, 3, 4)) * stage.message_norm.weight + stage.message_norm.bias
    attention = (stage.query(nodes) @ stage.key(nodes).transpose(1, 2)).softmax(-1)
    gathered = torch.einsum('bij,bijc->bic', attention, normed) + stage.gather_bias
    torch.testing.assert_close(stage(nodes), stage.norm(nodes + gathered.relu()))


def test_graph_is_equivariant_to_permutations():
    graph, nodes, order = build(), torch.randn(2, 3, 5, 6), [3, 1, 4, 0, 2]
    torch.testing.assert_close(graph(nodes[:, :, order]), graph(nodes)[:, :, order])


def test_clips_are_independent_and_time_is_causal():
    graph, nodes = build(), torch.randn(2, 3, 5, 6, requires_grad=True)
    graph(nodes)[1, 1].sum().backward()
    seen = nodes.grad.abs().sum(-1) > 0  # (B,T,N)
    assert not seen[0].any() and seen[1, :2].all() and not seen[1, 2].any()


def test_rounds_share_their_weights():
    assert len(list(build(num_rounds=1).parameters())) == len(list(build(num_rounds=3).parameters()))
    nodes = torch.randn(1, 2, 3, 6)
    assert not torch.allclose(build(num_rounds=1)(nodes), build(num_rounds=2)(nodes))


def test_one_round_is_time_space_time():
    graph, nodes = build(num_rounds=1), torch.randn(3, 2, 4, 6)  # (T,B,N,C)
    expected = graph.final_time(graph.space(graph.time(graph.norm(nodes))))
    torch.testing.assert_close(graph(nodes.transpose(0, 1)), expected.transpose(0, 1))


def test_bf16_autocast_is_close_to_float32():
    graph, nodes = build(16), torch.randn(2, 3, 5, 16)
    with torch.autocast('cpu', torch.bfloat16):
        output = graph(nodes.bfloat16())
    expected = graph(nodes)
    assert output.dtype == torch.float32 and (output - expected).norm() < 0.05 * expected.norm()


def test_joint_norm_is_a_group_norm_of_one_group():
    norm, x = JointLayerNorm(6), torch.randn(4, 5, 6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    expected = torch.nn.functional.group_norm(x.transpose(1, 2), 1, norm.weight, norm.bias).transpose(1, 2)
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize('kind, pytorchs', [('gru', nn.GRU), ('lstm', nn.LSTM)])
def test_nodes_are_independent_sequences_as_in_pytorch(kind, pytorchs):
    rnn, nodes = NodeRNN(6, kind), torch.randn(4, 2, 3, 6)  # (T,B,N,C)
    states = rnn(nodes)
    assert states.shape == nodes.shape
    own = pytorchs(6, 6)
    own.load_state_dict(rnn.rnn.state_dict())
    torch.testing.assert_close(states[:, 1, 2], own(nodes[:, 1, 2])[0])


@pytest.mark.parametrize('kind, pytorchs', [('gru', nn.GRU), ('lstm', nn.LSTM)])
def test_recurrent_networks_are_initialized_as_in_pytorch(kind, pytorchs):
    """The same numbers for the same seed, under the same names."""
    torch.manual_seed(0)
    given = NodeRNN(6, kind).rnn.state_dict()
    torch.manual_seed(0)
    expected = pytorchs(6, 6).state_dict()
    assert given.keys() == expected.keys() and all(torch.equal(given[name], expected[name]) for name in given)
