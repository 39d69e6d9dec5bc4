"""Recurrent networks equal to one layer of ``torch.nn.GRU`` or ``torch.nn.LSTM``."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .linear import product, weight_gradient
from .tracing import is_traced


def gru(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    r"""Compute the hidden states of a GRU from a zero initial state, with gates in the order reset r, update z, new n.

    .. math::
        h_t = n + z (h_{t-1} - n), \quad n = \tanh(W_n x_t + b_n + r (U_n h_{t-1} + c_n))

    It consists of plain operations that compilers can fuse. In eager mode on CPUs its backward takes four operations
    per step, where PyTorch's takes more than twenty.

    Args:
        x (Tensor[T, B, D]): Sequences, time first.
        weight_ih (Tensor[3 * C, D]): W.
        weight_hh (Tensor[3 * C, C]): U.
        bias_ih (Tensor[3 * C]): b.
        bias_hh (Tensor[3 * C]): c.

    Returns:
        Tensor[T, B, C]
    """
    if x.device.type == 'cpu' and not is_traced():
        if torch.is_grad_enabled():
            return _GRU.apply(x, weight_ih, weight_hh, bias_ih, bias_hh)
        steps = _gru_steps(product, x, weight_ih, weight_hh, bias_ih, bias_hh)
    else:
        steps = _gru_steps(F.linear, x, weight_ih, weight_hh, bias_ih, bias_hh)
    return torch.stack([state for state, *_ in steps])


def _gru_steps(product, x, weight_ih, weight_hh, bias_ih, bias_hh) -> Iterator[tuple[Tensor, ...]]:
    """Yield the state, (r, z), n, and U_n h + c_n of each step."""
    size = weight_hh.shape[1]
    state = x.new_zeros(x.shape[1], size)
    for of_input in product(x, weight_ih, bias_ih).unbind(0):  # (B,3C)
        to_gates, to_new = of_input.split((2 * size, size), -1)
        of_state, of_state_new = product(state, weight_hh, bias_hh).split((2 * size, size), -1)
        gates = (to_gates + of_state).sigmoid_()
        reset, update = gates.chunk(2, -1)
        new = torch.addcmul(to_new, reset, of_state_new).tanh_()
        state = torch.lerp(new, state, update)
        yield state, gates, new, of_state_new


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, *weights: Tensor) -> Tensor:
        states, *others = map(torch.stack, zip(*_gru_steps(product, x, *weights), strict=True))
        ctx.save_for_backward(x, *weights[:2], states, *others)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, weight_ih, weight_hh, states, gates, new, of_state = ctx.saved_tensors
        before = torch.cat((torch.zeros_like(states[:1]), states[:-1]))
        reset, update = gates.chunk(2, -1)
        # factors between the gradient of a state and those of the three pre-activations
        to_new = (1 - update) * (1 - new.square())
        to_reset = to_new * of_state * reset * (1 - reset)
        to_update = (before - new) * update * (1 - update)
        factors = torch.stack((to_reset, to_update, to_new * reset), dim=-2)  # (T,B,3,C)
        back, of_gates = weight_hh.t(), torch.empty_like(factors)
        grads = grad.clone(memory_format=torch.contiguous_format)
        for t in range(len(grads) - 1, -1, -1):
            torch.mul(grads[t, :, None], factors[t], out=of_gates[t])
            if t:
                grads[t - 1].addcmul_(grads[t], update[t]).add_(product(of_gates[t].flatten(1), back))
        of_state_gates = of_gates.flatten(2)
        of_gates_x = torch.cat((of_state_gates[..., : 2 * back.shape[0]], grads * to_new), dim=-1)
        return (
            product(of_gates_x, weight_ih.t()),
            weight_gradient(of_gates_x, x),
            weight_gradient(of_state_gates, before),
            of_gates_x.sum((0, 1)),
            of_state_gates.sum((0, 1)),
        )


def lstm(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    r"""Compute the hidden states of an LSTM from zero states, with gates in the order input, forget, cell, output.

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
