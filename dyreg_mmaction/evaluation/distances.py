"""Distances between regions and objects of a video: pure functions of centers and boxes, in 0..1 of the frame."""

import numpy as np


def frame_distances(centers: np.ndarray, boxes: np.ndarray, acting: np.ndarray | None = None) -> dict[str, np.ndarray]:
    r"""Compute the distances in each annotated frame of a video.

    .. math::
        d_{ti} = \min_k |c_{ti} - b_{tk}|, \quad d_{tk} = \min_i |c_{ti} - b_{tk}|

    with the centers c of the nodes i and b of the boxes k, averaged over the nodes or boxes of a frame. Boxes are
    clipped to the frame; boxes outside the frame are ignored.

    Args:
        centers (ndarray[V, T, N, 2]): Centers (x, y) of the regions in V views of the video.
        boxes (ndarray[V, T, K, 4]): Boxes (x1, y1, x2, y2), with the same index for an object in all frames; nan if the
            object is not visible.
        acting (ndarray[K], optional): Mask of the acting objects.

    Returns:
        dict[str, ndarray[F]]: Values of the F frames with boxes. ``dist_p``: distance of a node to the nearest box;
        ``dist_r``: distance of a box to the nearest node; ``inside``: fraction of boxes that contain a center (pointing
        game); ``dist_acting``: ``dist_r`` of acting objects, for frames with acting objects; ``switches``: whether the
        nearest node of an object has changed, for each object that is visible in a frame and the previous one.

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
    acting = seen & (np.zeros(seen.shape[-1], bool) if acting is None else acting)
    return dict(
        dist_p=to_box[seen.any(-1)].mean(-1),
        dist_r=_mean_where(to_node, seen),
        inside=_mean_where(hit, seen),
        switches=(nearest[:, 1:] != nearest[:, :-1])[seen[:, 1:] & seen[:, :-1]].astype(float),
        dist_acting=_mean_where(to_node, acting),
    )


def video_distances(centers: np.ndarray, boxes: np.ndarray, acting: np.ndarray | None = None) -> dict[str, float]:
    """Return the means of :func:`frame_distances` over a video; nan for values without a frame."""
    return {name: mean(values.sum(), len(values)) for name, values in frame_distances(centers, boxes, acting).items()}


def count_frames(boxes: np.ndarray) -> tuple[int, int]:
    """Count all frames and the frames without a visible box, from boxes (V, T, K, 4)."""
    low, high = boxes[..., :2].clip(0, 1), boxes[..., 2:].clip(0, 1)
    seen = (high > low).all(-1).any(-1)  # (V,T)
    return seen.size, int((~seen).sum())


def harmonic_mean(first: float, second: float) -> float:
    """Return 2 a b / (a + b), or 0 if both are 0."""
    return 2 * first * second / (first + second) if first + second else 0.0


def mean(total: float, count: float) -> float:
    """Return the mean of ``count`` values from their sum, nan if there are none."""
    return float(total / count) if count else float('nan')


def _mean_where(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the masked means (F,) over the last axis, for the rows with a non-empty mask."""
    count = mask.sum(-1)
    return np.where(mask, values, 0).sum(-1)[count > 0] / count[count > 0]
