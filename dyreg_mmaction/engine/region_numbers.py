"""Statistics of the centers of regions, for logs and studies."""

from torch import Tensor


def region_numbers(center: Tensor, start: Tensor) -> dict[str, Tensor]:
    """Compute how far regions have moved, as means over nodes.

    ``shift`` is the distance from ``start``. The others are standard deviations: of the center of a node, over the
    frames of each clip (``motion``) or over all clips and frames (``variation``), and of the centers of each frame
    (``spread``).

    Args:
        center (Tensor): Centers (B, T, N, 2).
        start (Tensor): Centers (N, 2) at the start of the training, in the same unit.

    Returns:
        dict[str, Tensor]: Scalars, in that unit.
    """
    return dict(
        shift=(center - start).norm(dim=-1).mean(),
        motion=_deviation(center, 1),
        variation=_deviation(center.flatten(0, 1), 0),
        spread=_deviation(center, 2),
    )


def _deviation(center: Tensor, dim: int) -> Tensor:
    return center.var(dim, correction=0).sum(-1).sqrt().mean()
