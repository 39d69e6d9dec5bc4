"""From the feature map to the nodes and back, with one matrix product each (deterministic on CUDA too)."""

from torch import Tensor


def pool(x: Tensor, maps: Tensor) -> Tensor:
    """Weighted sum of the features under each node's map, v_i = sum_p K_i(p) x(p), eq. 7 of DyReg-GNN.

    Args:
        x (Tensor[B, C, H, W]): Features.
        maps (Tensor[B, N, H, W]): Weights of the nodes.

    Returns:
        Tensor[B, N, C]: Nodes.
    """
    return maps.flatten(2) @ x.flatten(2).transpose(1, 2)


def unpool(nodes: Tensor, maps: Tensor) -> Tensor:
    """Write the nodes back under their maps, y(p) = sum_i K_i(p) v_i, eq. 10 of DyReg-GNN.

    Args:
        nodes (Tensor[B, N, C]): Nodes.
        maps (Tensor[B, N, H, W]): Weights of the nodes.

    Returns:
        Tensor[B, C, H, W]: Features.
    """
    y = nodes.transpose(1, 2) @ maps.flatten(2)  # (B,C,H*W)
    return y.unflatten(2, maps.shape[-2:])
