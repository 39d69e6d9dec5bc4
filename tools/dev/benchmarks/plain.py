"""Direct implementation of DyReg-GNN's equations in the order of the released code.

It is the baseline of the benchmark: joint layer norms followed by scale and bias, explicit kernels divided by their
sums, and one message per pair of nodes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.models import DyRegGNN


class PlainDyRegGNN(nn.Module):
    """Compute the output of a DyRegGNN on frames (B*T, C, H, W), with its weights.

    Args:
        module (DyRegGNN): Module with predicted tents, features f and g, and a SpaceTimeGraph.
        time (int): Frames per clip.
    """

    def __init__(self, module: DyRegGNN, time: int) -> None:
        super().__init__()
        self.module = module
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined frames."""
        m = self.module
        z = x
        if m.project is not None:
            z = joint_norm(m.project[0](x), m.project[1].weight, m.project[1].bias)
        kernels = self._kernels(z)  # (B*T,N,H,W)
        flat = kernels.flatten(2)
        nodes = torch.matmul(flat, z.flatten(2).transpose(1, 2)) + m.position(flat)  # (B*T,N,C)
        nodes = self._graph(nodes.unflatten(0, (-1, self.time)))  # (B,T,N,C)
        y = torch.matmul(nodes.flatten(0, 1).transpose(1, 2), flat).unflatten(2, x.shape[-2:])
        if m.project_back is not None:
            y = m.project_back(y)
        return x + joint_norm(y, m.norm.weight, m.norm.bias)

    def _kernels(self, z: Tensor) -> Tensor:
        source = self.module.regions
        features, to_vectors = source.heads
        skip = stage(features.down1, stage(features.embed, z))
        up = stage(features.up, stage(features.down2, skip)) + skip
        vectors = to_vectors(stage(features.down3, up)).unflatten(0, (-1, self.time))  # (B,T,N,L)
        vectors = node_norm(vectors, source.norm_in)
        vectors = node_norm(recurrence(source.rnn.rnn, vectors), source.norm_out)
        offsets = source.predictor.alpha * source.predictor.fc(vectors)
        axes = [axis(offsets[..., i], offsets[..., i + 2], z.shape[3 - i]) for i in (0, 1)]  # x, then y
        kernels = axes[1][..., :, None] * axes[0][..., None, :]  # (B,T,N,H,W)
        return (kernels / (kernels.sum((-2, -1), keepdim=True) + 1e-37)).flatten(0, 1)

    def _graph(self, nodes: Tensor) -> Tensor:
        graph = self.module.graph
        space = graph.space
        v = node_norm(nodes, graph.norm)  # (B,T,N,C)
        for _ in range(graph.num_rounds):
            v = recurrence(graph.time.rnn, v)
            messages = space.send(v[..., :, None, :] + v[..., None, :, :]).relu()  # (B,T,N,N,C)
            messages = F.layer_norm(messages, messages.shape[-3:]) * space.message_norm.weight + space.message_norm.bias
            attention = torch.matmul(space.query(v), space.key(v).transpose(-1, -2)).softmax(-1)
            gathered = (attention[..., None] * messages).sum(-2)
            v = node_norm(v + (gathered + space.gather_bias).relu(), space.norm)
        return recurrence(graph.final_time.rnn, v)


def joint_norm(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalize over (C, H, W), with scale and bias per channel."""
    return F.layer_norm(x, x.shape[1:]) * scale[:, None, None] + bias[:, None, None]


def node_norm(x: Tensor, norm: nn.Module) -> Tensor:
    """Normalize over (N, C), with scale and bias per channel."""
    return F.layer_norm(x, x.shape[-2:]) * norm.weight + norm.bias


def stage(layers: nn.Sequential, x: Tensor) -> Tensor:
    """Apply convolution, ReLU and joint norm."""
    return joint_norm(layers[0](x).relu(), layers[2].weight, layers[2].bias)


def recurrence(rnn: nn.RNNBase, x: Tensor) -> Tensor:
    """Apply PyTorch's GRU over the frames of each node: (B, T, N, C) -> (B, T, N, C)."""
    sequence = x.transpose(0, 1).flatten(1, 2)  # (T,B*N,C)
    start = sequence.new_zeros(1, *sequence.shape[1:])
    states = torch.gru(sequence, start, list(rnn.all_weights[0]), True, 1, 0.0, rnn.training, False, False)[0]
    return states.unflatten(1, (len(x), -1)).transpose(0, 1)


def axis(shift: Tensor, growth: Tensor, cells: int) -> Tensor:
    """Compute the tent along one axis: (B, T, N) -> (B, T, N, cells)."""
    center = (cells / 2 * (1 + shift.tanh())).clamp(0, cells - 1)
    half_size = growth.exp() * (cells / 6 + 1) + 1
    position = torch.arange(cells, dtype=shift.dtype, device=shift.device)
    return (half_size[..., None] - (position - center[..., None]).abs()).relu()
