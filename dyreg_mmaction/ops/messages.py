"""Messages between all pairs of nodes, computed and aggregated block by block."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .open_norm import open_layer_norm
from .precision import at_least_float32, without_autocast
from .tracing import is_traced

BLOCK = 2**19  # message values per block on a CPU: 2 MiB, which fit in the cache
BLOCK_ON_GPU = 2**26  # 256 MiB: small kernels on a GPU are dominated by their launch time


def gather_messages(
    received: Tensor, sent: Tensor, attention: Tensor, eps: float = 1e-5, closed: Tensor | None = None
) -> Tensor:
    r"""Aggregate the messages to each node after a joint normalization of all messages of a frame.

    .. math::
        g_i = \sum_j a_{ij} \frac{m_{ij} - \mu}{\sqrt{\sigma^2 + \epsilon}}, \quad m_{ij} = relu(p_i + q_j)

    The N x N x C messages are never stored as a whole: because sum_j a_ij = 1, the normalization can be applied after
    the sum, and backward recomputes the messages.

    Args:
        received (Tensor[..., N, C]): p, the projection of the receiving nodes.
        sent (Tensor[..., N, C]): q, the projection of the sending nodes.
        attention (Tensor[..., N, N]): a; sums to 1 over j.
        eps (float): Added to the variance.
        closed (Tensor[..., N], optional): Nodes whose messages, sent and received, are excluded from the statistics.

    Returns:
        Tensor[..., N, C]: g, in at least float32.
    """
    dtype = at_least_float32(received.dtype)
    with without_autocast(received):
        received, sent, attention = (value.to(dtype) for value in (received, sent, attention))
        if closed is not None or is_traced() or not received.numel():
            messages = (received[..., :, None, :] + sent[..., None, :, :]).relu()
            return gather_normalized(messages, attention, eps, closed)
        frames = (value.reshape(-1, *value.shape[-2:]) for value in (received, sent, attention))
        return _Gather.apply(*frames, eps).view_as(received)


def gather_normalized(messages: Tensor, attention: Tensor, eps: float = 1e-5, closed: Tensor | None = None) -> Tensor:
    """Compute :func:`gather_messages` for given messages m_ij, Tensor[..., N, N, C]."""
    if closed is None:
        normed = F.layer_norm(messages, messages.shape[-3:], eps=eps)
    else:
        between = closed[..., :, None] | closed[..., None, :]  # (...,N,N)
        normed = open_layer_norm(messages.flatten(-3, -2), between.flatten(-2), eps).view_as(messages)
    return (attention[..., None, :] @ normed).squeeze(-2)


class _Gather(torch.autograd.Function):
    """:func:`gather_messages` of received (B, N, C), sent (B, N, C) and attention (B, N, N)."""

    @staticmethod
    def forward(ctx, received: Tensor, sent: Tensor, attention: Tensor, eps: float) -> Tensor:
        gathered = torch.empty_like(received)
        means, squares = attention.new_empty(2, *attention.shape[:2])  # of the messages to each node
        for block, _, messages in _blocks(received, sent):
            gathered[block] = (attention[block][..., None, :] @ messages).squeeze(-2)
            flat = messages.flatten(-2)
            means[block] = flat.mean(-1)
            squares[block] = torch.linalg.vector_norm(flat.sub_(means[block][..., None]), dim=-1).square()
        spread, mean = torch.var_mean(means, dim=-1, correction=0, keepdim=True)
        variance = squares.mean(-1, keepdim=True) / sent[0].numel() + spread  # (B,1)
        scale, mean = (variance + eps).rsqrt()[..., None], mean[..., None]
        gathered = (gathered - mean) * scale
        ctx.save_for_backward(received, sent, attention, gathered, mean, scale)
        return gathered

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        received, sent, attention, gathered, mean, scale = ctx.saved_tensors
        count = attention[0].numel() * grad.shape[-1]
        # the gradient of a message m is a_ij g_i + slope m + shift, where the ReLU is active
        grad = grad * scale
        slope = (grad * gathered).sum((1, 2), keepdim=True) * (-scale / count)
        shift = -grad.sum((1, 2), keepdim=True) / count - slope * mean
        of_received, of_sent = slope * received + shift, slope * sent
        to_received, to_attention = torch.empty_like(received), torch.empty_like(attention)
        to_sent, buffer = torch.zeros_like(sent), received.new_empty(0)
        for block, frames, messages in _blocks(received, sent):
            through = buffer.resize_(messages.shape)
            to_attention[block] = torch.mul(messages, grad[block][..., None, :], out=through).sum(-1)
            torch.mul(attention[block][..., None], grad[block][..., None, :], out=through)
            through.add_(of_sent[frames][:, None]).add_(of_received[block][..., None, :])
            through.mul_(messages.sign_())
            to_received[block] = through.sum(-2)
            to_sent[frames] += through.sum(-3)
        return to_received, to_sent, to_attention, None


def _blocks(received: Tensor, sent: Tensor) -> Iterator[tuple[tuple[slice, slice], slice, Tensor]]:
    """Yield (index, frame slice, messages (B', N', N, C)) per block; the message buffer is reused."""
    frames, nodes, channels = received.shape
    size = BLOCK if received.device.type == 'cpu' else BLOCK_ON_GPU
    step = min(nodes, max(1, size // (nodes * channels)))
    at_once = max(1, size // (step * nodes * channels))
    memory = received.new_empty(0)
    for frame in range(0, frames, at_once):
        for node in range(0, nodes, step):
            block = slice(frame, frame + at_once), slice(node, node + step)
            to, of = received[block][:, :, None], sent[block[0]][:, None]
            yield block, block[0], torch.add(to, of, out=memory.resize_(len(to), to.shape[1], nodes, channels)).relu_()
