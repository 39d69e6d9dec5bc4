"""Recurrent nets of plain operations, equal to one layer of ``torch.nn.GRU`` and ``torch.nn.LSTM``.

Compilers and exporters that stop at PyTorch's own can see through these; elsewhere PyTorch's own are at least as fast.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def gru(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    r"""Hidden states from a zero initial state, with gates in the order reset r, update z, new n.

    .. math::
        h_t = n + z (h_{t-1} - n), \quad n = \tanh(W_n x_t + b_n + r (U_n h_{t-1} + c_n))

    Args:
        x (Tensor[T, B, D]): Sequences, time first.
        weight_ih (Tensor[3 * C, D]): W.
        weight_hh (Tensor[3 * C, C]): U.
        bias_ih (Tensor[3 * C]): b.
        bias_hh (Tensor[3 * C]): c.

    Returns:
        Tensor[T, B, C]
    """
    state = x.new_zeros(x.shape[1], weight_hh.shape[1])
    states = []
    for inputs in F.linear(x, weight_ih, bias_ih).unbind(0):  # (B,3C)
        of_input, of_state = (v.chunk(3, dim=-1) for v in (inputs, F.linear(state, weight_hh, bias_hh)))
        reset, update = ((of_input[gate] + of_state[gate]).sigmoid() for gate in (0, 1))
        new = (of_input[2] + reset * of_state[2]).tanh()
        state = new + update * (state - new)
        states.append(state)
    return torch.stack(states)


def lstm(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    r"""Hidden states from zero initial states, with gates in the order input i, forget f, cell g, output o.

    .. math::
        h_t = o \tanh(c_t), \quad c_t = f c_{t-1} + i g

    Args:
        x (Tensor[T, B, D]): Sequences, time first.
        weight_ih (Tensor[4 * C, D]): Weights of x.
        weight_hh (Tensor[4 * C, C]): Weights of h.
        bias_ih (Tensor[4 * C]): Bias of x.
        bias_hh (Tensor[4 * C]): Bias of h.

    Returns:
        Tensor[T, B, C]
    """
    state = cell = x.new_zeros(x.shape[1], weight_hh.shape[1])
    states = []
    for inputs in F.linear(x, weight_ih, bias_ih).unbind(0):  # (B,4C)
        gates = (inputs + F.linear(state, weight_hh, bias_hh)).chunk(4, dim=-1)
        cell = gates[1].sigmoid() * cell + gates[0].sigmoid() * gates[2].tanh()
        state = gates[3].sigmoid() * cell.tanh()
        states.append(state)
    return torch.stack(states)
