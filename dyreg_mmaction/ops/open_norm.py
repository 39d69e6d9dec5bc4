"""Layer norm that excludes closed nodes from the statistics."""

from torch import Tensor


def open_layer_norm(x: Tensor, closed: Tensor, eps: float = 1e-5) -> Tensor:
    """Apply a joint layer norm over nodes and channels, with the statistics of the open nodes only.

    Args:
        x (Tensor[..., N, C]): Nodes.
        closed (Tensor[..., N]): bool; nodes that are excluded from the statistics. If all are closed, the result is
            still finite.
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
