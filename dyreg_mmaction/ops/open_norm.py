"""Layer norm over the nodes that are open."""

from torch import Tensor


def open_layer_norm(x: Tensor, closed: Tensor, eps: float = 1e-5) -> Tensor:
    """Joint layer norm over nodes and channels, with the statistics of the nodes that are not closed.

    Args:
        x (Tensor[..., N, C]): Nodes.
        closed (Tensor[..., N]): Which do not count, bool. Where all are closed, x is scaled by a finite number.
        eps (float): Added to the variance.

    Returns:
        Tensor[..., N, C]
    """
    weight = (~closed)[..., None].to(x.dtype)
    count = (weight.sum((-2, -1), keepdim=True) * x.shape[-1]).clamp(min=1)
    mean = (x * weight).sum((-2, -1), keepdim=True) / count
    centered = x - mean
    variance = (centered.square() * weight).sum((-2, -1), keepdim=True) / count
    return centered * (variance + eps).rsqrt()
