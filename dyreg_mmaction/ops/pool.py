"""Pooling from the feature map to the nodes and back, each one matrix product, deterministic also on CUDA."""

import torch
from torch import Tensor


def pool(x: Tensor, maps: Tensor) -> Tensor:
    """Sum the features weighted by each node's map, v_i = sum_p K_i(p) x(p), eq. 7 of DyReg-GNN.

    Args:
        x (Tensor[B, C, H, W]): Features.
        maps (Tensor[B, N, H, W]): Weights of the nodes.

    Returns:
        Tensor[B, N, C]: Nodes.
    """
    return maps.flatten(2) @ x.flatten(2).transpose(1, 2)


def unpool(nodes: Tensor, maps: Tensor) -> Tensor:
    """Project the nodes back to the feature map, y(p) = sum_i K_i(p) v_i, eq. 10 of DyReg-GNN.

    Args:
        nodes (Tensor[B, N, C]): Nodes.
        maps (Tensor[B, N, H, W]): Weights of the nodes.

    Returns:
        Tensor[B, C, H, W]: Features.
    """
    y = nodes.transpose(1, 2) @ maps.flatten(2)  # (B,C,H*W)
    return y.unflatten(2, maps.shape[-2:])


def add_unpooled(x: Tensor, nodes: Tensor, maps: Tensor) -> Tensor:
    """Compute ``x + unpool(nodes, maps)`` in one product, in the memory layout of x.

    Args:
        x (Tensor[B, C, H, W]): Features, contiguous or channels last.
        nodes (Tensor[B, N, C]): Nodes.
        maps (Tensor[B, N, H, W]): Weights of the nodes.

    Returns:
        Tensor[B, C, H, W]
    """
    weights = maps.flatten(2)  # (B,N,H*W)
    if x.is_contiguous():
        y = torch.baddbmm(x.flatten(2), nodes.transpose(1, 2), weights)  # (B,C,H*W)
    else:
        y = torch.baddbmm(x.flatten(2).transpose(1, 2), weights.transpose(1, 2), nodes).transpose(1, 2)
    return y.unflatten(2, x.shape[-2:])


def normalize_unpooled(
    nodes: Tensor, maps: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Return nodes and maps such that :func:`unpool` gives the layer norm over (C, H, W) of ``unpool(nodes, maps)``.

    The mean and variance follow from N x N products, so the unnormalized map is never computed. With v = m + d, where m
    is the mean of a node over its channels,
    ``var = var_p(sum_i m_i K_i(p)) + sum_ij (d_i . d_j) (K_i . K_j) / (C H W)``. The bias becomes an extra node whose
    map is 1 everywhere.

    Args:
        nodes (Tensor[B, N, C]): Nodes.
        maps (Tensor[B, N, H, W]): Weights of the nodes.
        weight (Tensor[C]): Scale of each channel after the norm.
        bias (Tensor[C]): Bias of each channel after the norm.
        eps (float): Added to the variance.

    Returns:
        tuple[Tensor[B, N + 1, C], Tensor[B, N + 1, H, W]]
    """
    weights = maps.flatten(2)  # (B,N,H*W)
    means = nodes.mean(-1, keepdim=True)  # (B,N,1)
    rest = nodes - means
    level = means.transpose(1, 2) @ weights  # (B,1,H*W), means over the channels
    products = (rest @ rest.transpose(1, 2)) * (weights @ weights.transpose(1, 2))  # (B,N,N)
    within = products.sum((1, 2), keepdim=True) / (nodes.shape[-1] * weights.shape[-1])
    variance, mean = torch.var_mean(level, dim=-1, correction=0, keepdim=True)  # (B,1,1)
    scale = weight * (variance + within + eps).rsqrt()  # (B,1,C)
    scaled = torch.cat((nodes * scale, bias - mean * scale), dim=1)
    return scaled, torch.cat((maps, torch.ones_like(maps[:, :1])), dim=1)
