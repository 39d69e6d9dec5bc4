"""Distances between regions and the objects of a video: pure functions of centres and boxes, in 0..1 of the frame."""

import numpy as np


def frame_distances(centers: np.ndarray, boxes: np.ndarray, acting: np.ndarray | None = None) -> dict[str, np.ndarray]:
    r"""Distances in each frame of a video that has something to measure.

    .. math::
        d_{ti} = \min_k |c_{ti} - b_{tk}|, \quad d_{tk} = \min_i |c_{ti} - b_{tk}|

    with the centres c of the nodes i and b of the boxes k, averaged over the nodes or boxes of a frame. Boxes are
    clipped to the frame; one that lies outside is not seen.

    Args:
        centers (ndarray[V, T, N, 2]): Centres of the regions, (x, y), of V views of the video.
        boxes (ndarray[V, T, K, 4]): Boxes (x1, y1, x2, y2), each object at one place in all frames; nan: not seen.
        acting (ndarray[K], optional): Which objects the class is about.

    Returns:
        dict[str, ndarray[F]]: ``dist_p``: from a node to the nearest box; ``dist_r``: from a box to the nearest node;
        ``inside``: share of boxes with a centre inside (pointing game), each of the F frames with boxes;
        ``dist_acting``: ``dist_r`` of acting objects, of the frames that have some; ``switches``: for each object
        seen in a frame and the one before, whether its nearest node has changed.

    Source: DyReg-GNN (NeurIPS 2021), eq. 15 and 16, the inner sums of ``dist_p`` and ``dist_r``.
    """
    low, high = boxes[..., None, :, :2].clip(0, 1), boxes[..., None, :, 2:].clip(0, 1)  # (V,T,1,K,2)
    seen = np.all(high > low, axis=-1)[..., 0, :]  # (V,T,K); nan compares as not seen
    points = centers[..., None, :]  # (V,T,N,1,2)
    distance = np.linalg.norm(points - (low + high) / 2, axis=-1)  # (V,T,N,K)
    hit = np.any(((points >= low) & (points <= high)).all(-1), axis=-2)  # (V,T,K)
    to_box = np.where(seen[..., None, :], distance, np.inf).min(-1, initial=np.inf)  # (V,T,N)
    to_node = distance.min(-2)  # (V,T,K)
    nearest = distance.argmin(-2)  # (V,T,K)
    acts = seen & (np.zeros(seen.shape[-1], bool) if acting is None else acting)
    return dict(
        dist_p=to_box[seen.any(-1)].mean(-1),
        dist_r=_mean_where(to_node, seen),
        inside=_mean_where(hit, seen),
        switches=(nearest[:, 1:] != nearest[:, :-1])[seen[:, 1:] & seen[:, :-1]].astype(float),
        dist_acting=_mean_where(to_node, acts),
    )


def video_distances(centers: np.ndarray, boxes: np.ndarray, acting: np.ndarray | None = None) -> dict[str, float]:
    """Means of :func:`frame_distances` over a video; nan where it has nothing to measure."""
    return {name: mean(values.sum(), len(values)) for name, values in frame_distances(centers, boxes, acting).items()}


def count_frames(boxes: np.ndarray) -> tuple[int, int]:
    """Frames of a video, and those of them in which no box is seen, from boxes (V, T, K, 4)."""
    low, high = boxes[..., :2].clip(0, 1), boxes[..., 2:].clip(0, 1)
    seen = (high > low).all(-1).any(-1)  # (V,T)
    return seen.size, int((~seen).sum())


def harmonic_mean(first: float, second: float) -> float:
    """2 a b / (a + b); 0 where both are 0."""
    return 2 * first * second / (first + second) if first + second else 0.0


def mean(total: float, count: float) -> float:
    """Mean of ``count`` values of this sum; nan of none."""
    return float(total / count) if count else float('nan')


def _mean_where(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Means over the last axis of values where the mask is set, of the rows where it is set anywhere: (F,)."""
    count = mask.sum(-1)
    return np.where(mask, values, 0).sum(-1)[count > 0] / count[count > 0]
