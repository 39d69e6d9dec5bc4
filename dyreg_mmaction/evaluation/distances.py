"""How far regions are from the objects of a video: pure functions of centres and boxes, in 0..1 of the frame."""

import numpy as np


def video_distances(centers: np.ndarray, boxes: np.ndarray, acting: np.ndarray | None = None) -> dict[str, float]:
    r"""Distances of one video; nan where it has nothing to measure.

    .. math::
        d_{ti} = \min_k |c_{ti} - b_{tk}|, \quad d_{tk} = \min_i |c_{ti} - b_{tk}|

    with the centres c of the nodes i and b of the boxes k, averaged over what is seen in a frame, then over the frames
    with boxes. Of a box that reaches out of the frame the part inside counts, one wholly outside is not seen.

    Args:
        centers (ndarray[V, T, N, 2]): Centres of the regions, (x, y), of V views of the video.
        boxes (ndarray[V, T, K, 4]): Boxes (x1, y1, x2, y2), each object at one place in all frames; nan: not seen.
        acting (ndarray[K], optional): Which objects the class is about.

    Returns:
        dict[str, float]: ``dist_p``: from a node to the nearest box; ``dist_r``: from a box to the nearest node;
        ``inside``: share of boxes with a centre inside (pointing game); ``switches``: how often the node that is
        nearest to an object is another one than in the frame before; ``dist_acting``: ``dist_r`` of acting objects.

    Source: DyReg-GNN (NeurIPS 2021), eq. 15 and 16, for ``dist_p`` and ``dist_r``.
    """
    low, high = boxes[..., None, :, :2].clip(0, 1), boxes[..., None, :, 2:].clip(0, 1)  # (V,T,1,K,2)
    seen = np.all(high > low, axis=-1)[..., 0, :]  # (V,T,K); nan compares as not seen
    points = centers[..., None, :]  # (V,T,N,1,2)
    distance = np.linalg.norm(points - (low + high) / 2, axis=-1)  # (V,T,N,K)
    hit = np.any(((points >= low) & (points <= high)).all(-1), axis=-2)  # (V,T,K)
    to_node = np.where(seen, distance.min(-2), np.nan)
    to_box = np.where(seen[..., None, :], distance, np.inf).min(-1, initial=np.inf)  # (V,T,N)
    nearest = distance.argmin(-2)  # (V,T,K)
    both = seen[:, 1:] & seen[:, :-1]
    return dict(
        dist_p=_mean(np.where(np.isinf(to_box), np.nan, to_box)),
        dist_r=_mean(to_node),
        inside=_mean(np.where(seen, hit, np.nan)),
        switches=_mean(np.where(both, nearest[:, 1:] != nearest[:, :-1], np.nan).ravel()),
        dist_acting=np.nan if acting is None else _mean(to_node[..., acting]),
    )


def count_frames(boxes: np.ndarray) -> tuple[int, int]:
    """Frames of a video, and those of them in which no box is seen, from boxes (V, T, K, 4)."""
    low, high = boxes[..., :2].clip(0, 1), boxes[..., 2:].clip(0, 1)
    seen = (high > low).all(-1).any(-1)  # (V,T)
    return seen.size, int((~seen).sum())


def harmonic_mean(first: float, second: float) -> float:
    """2 a b / (a + b); 0 where both are 0."""
    return 2 * first * second / (first + second) if first + second else 0.0


def nan_mean(values: np.ndarray) -> float:
    """Mean of what is not nan; nan where nothing is left."""
    values = np.asarray(values, float)
    return float(np.mean(values[~np.isnan(values)])) if not np.isnan(values).all() else float('nan')


def _mean(values: np.ndarray) -> float:
    """Mean over the last axis, then over the others, without nan."""
    known = ~np.isnan(values)
    count = known.sum(-1)
    frames = np.where(known, values, 0).sum(-1) / np.maximum(count, 1)
    return nan_mean(np.where(count > 0, frames, np.nan))
