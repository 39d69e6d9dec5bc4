"""Statistics of regions and of the vectors that predict them, for logs and studies."""

from torch import Tensor


def region_numbers(center: Tensor, start: Tensor) -> dict[str, Tensor]:
    """Compute statistics of region centers, averaged over nodes.

    ``shift`` is the distance from ``start``. The others are standard deviations of centers: of each node over the
    frames of a clip (``motion``), of each node over all clips and frames (``variation``), and over the nodes of a frame
    (``spread``).

    Args:
        center (Tensor): Centers (B, T, N, 2).
        start (Tensor): Centers (N, 2) at the start of training, in the same unit.

    Returns:
        dict[str, Tensor]: Scalars in the same unit.
    """
    return dict(
        shift=(center - start).norm(dim=-1).mean(),
        motion=_deviation(center, 1),
        variation=_deviation(center.flatten(0, 1), 0),
        spread=_deviation(center, 2),
    )


def _deviation(center: Tensor, dim: int) -> Tensor:
    return center.var(dim, correction=0).sum(-1).sqrt().mean()


def dependence(vectors: Tensor) -> Tensor:
    """Return how much the vectors z of a region generator depend on the clip and the frame, in 0..1.

    It is the standard deviation over clips and frames, averaged over nodes and channels as a root mean square, divided
    by the root mean square of z. 0: the vectors are constant.

    Args:
        vectors (Tensor): Vectors (B, T, N, L).

    Returns:
        Tensor: A scalar.
    """
    rows = vectors.float().flatten(0, 1)
    return (rows.var(0, correction=0).mean() / rows.square().mean().clamp(min=1e-12)).sqrt()
