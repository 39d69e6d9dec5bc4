import pytest
import torch
from torch import nn

from dyreg_mmaction.ops import gru, lstm


@pytest.mark.parametrize('function, kind', [(gru, nn.GRU), (lstm, nn.LSTM)])
def test_states_and_gradients_are_pytorchs(function, kind):
    rnn, x = kind(5, 3).double(), torch.randn(4, 2, 5, dtype=torch.float64)
    results = []
    for run in (lambda x: rnn(x)[0], lambda x: function(x, *rnn.all_weights[0])):
        leaf = x.clone().requires_grad_()
        states = run(leaf)
        results.append([states, *torch.autograd.grad(states.square().sum(), [leaf, *rnn.parameters()])])
    for given, expected in zip(*results, strict=True):
        torch.testing.assert_close(given, expected)
