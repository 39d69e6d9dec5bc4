"""Messages between all pairs of nodes, made and gathered a block at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .open_norm import open_layer_norm
from .precision import at_least_float32, without_autocast
from .tracing import is_traced

BLOCK = 2**19  # values of messages at a time on a CPU: 2 MiB, which stay in a cache
BLOCK_ON_GPU = 2**26  # 256 MiB: on a GPU a kernel of a few values takes as long to launch as to run


def gather_messages(
    received: Tensor, sent: Tensor, attention: Tensor, eps: float = 1e-5, closed: Tensor | None = None
) -> Tensor:
    r"""What each node gathers of its messages, normalised jointly over all those of a frame.

    .. math::
        g_i = \sum_j a_{ij} \frac{m_{ij} - \mu}{\sqrt{\sigma^2 + \epsilon}}, \quad m_{ij} = relu(p_i + q_j)

    The N x N x C messages are never there at once: as sum_j a_ij = 1, mean and variance may follow the sum, and
    backward makes the messages again.

    Args:
        received (Tensor[..., N, C]): p.
        sent (Tensor[..., N, C]): q.
        attention (Tensor[..., N, N]): a, summing to 1 over j.
        eps (float): Added to the variance.
        closed (Tensor[..., N], optional): Nodes whose messages, sent and received, do not count in the statistics.

    Returns:
        Tensor[..., N, C]: In float32 at least.
    """
    dtype = at_least_float32(received.dtype)
    with without_autocast(received):
        received, sent, attention = (value.to(dtype) for value in (received, sent, attention))
        if closed is not None or is_traced():
            messages = (received[..., :, None, :] + sent[..., None, :, :]).relu()
            return gather_normalized(messages, attention, eps, closed)
        frames = (value.reshape(-1, *value.shape[-2:]) for value in (received, sent, attention))
        return _Gather.apply(*frames, eps).view_as(received)


def gather_normalized(messages: Tensor, attention: Tensor, eps: float = 1e-5, closed: Tensor | None = None) -> Tensor:
    """:func:`gather_messages` of any messages m_ij, Tensor[..., N, N, C]."""
    if closed is None:
        normed = F.layer_norm(messages, messages.shape[-3:], eps=eps)
    else:
        between = closed[..., :, None] | closed[..., None, :]  # (...,N,N)
        normed = open_layer_norm(messages.flatten(-3, -2), between.flatten(-2), eps).view_as(messages)
    return (attention[..., None, :] @ normed).squeeze(-2)


class _Gather(torch.autograd.Function):
    """Of (B, N, C), (B, N, C) and (B, N, N)."""

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
        # the gradient of a message m is a_ij g_i + slope m + shift, where it is not cut off
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
    """Frames and receivers of a block, its frames, and its messages (B', N', N, C) in memory of the last block's."""
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
