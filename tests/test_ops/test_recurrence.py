import pytest
import torch
from torch import nn

from dyreg_mmaction.ops import gru, lstm


@pytest.mark.parametrize('function, kind', [(gru, nn.GRU), (lstm, nn.LSTM)])
def test_states_and_gradients_agree_with_pytorch(function, kind):
    rnn, x = kind(5, 3).double(), torch.randn(4, 2, 5, dtype=torch.float64)
    results = []
    for run in (lambda x: rnn(x)[0], lambda x: function(x, *rnn.all_weights[0])):
        leaf = x.clone().requires_grad_()
        states = run(leaf)
        results.append([states, *torch.autograd.grad(states.square().sum(), [leaf, *rnn.parameters()])])
    for given, expected in zip(*results, strict=True):
        torch.testing.assert_close(given, expected)


def test_gradients_of_a_gru_in_float64():
    shapes = (3, 2, 4), (9, 4), (9, 3), (9,), (9,)
    leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(gru, leaves)


def test_compilers_trace_plain_operations(monkeypatch):
    rnn, x = nn.GRU(5, 3), torch.randn(4, 2, 5)
    own = gru(x, *rnn.all_weights[0])
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    seen = gru(x, *rnn.all_weights[0])
    assert type(own.grad_fn).__name__ == '_GRUBackward' and type(seen.grad_fn).__name__ == 'StackBackward0'
    torch.testing.assert_close(seen, own)
