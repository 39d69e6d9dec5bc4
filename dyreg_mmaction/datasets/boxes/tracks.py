"""Tracking of boxes over frames."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

REACH = 0.3  # fraction of the frame by which the center may move between boxes that do not overlap
MOVED, FREE, TAKEN_OVER = 1e-3, 1e-6, 1e-9  # gains without overlap; one match of a kind outweighs many of the next


def match_boxes(
    boxes: np.ndarray, lengths: Sequence[int] | np.ndarray, num_nodes: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Assign the boxes of each frame to nodes such that the total overlap with the nodes' last boxes is maximal.

    A box without overlap is assigned to the nearest node that had a box in the previous frame and has none in this one,
    if their centers are less than ``REACH`` apart; else to a free node; else to the nearest node without a box in this
    frame. All videos are processed in parallel, frame by frame.

    Args:
        boxes (np.ndarray): Boxes (F, K, 4) of the frames of all videos, concatenated; padded with nan.
        lengths (Sequence[int]): Number of frames of each video; their sum is F.
        num_nodes (Sequence[int]): Number of nodes of each video, at least its largest number of boxes in a frame.

    Returns:
        tuple[np.ndarray, np.ndarray]: Box (F, N, 4) of each node, where N is the largest number of nodes, and the index
        (F, N) of its box in the frame, -1 if it has none. A node without a box in a frame keeps its last box, or has
        its first box before it appears; it is nan if the node never has a box.
    """
    lengths, num_nodes = np.asarray(lengths, dtype=int), np.asarray(num_nodes, dtype=int)
    starts, nodes = lengths.cumsum() - lengths, np.arange(num_nodes.max(initial=0))
    tracks = np.full((len(boxes), len(nodes), 4), np.nan)
    taken = np.full(tracks.shape[:2], -1)
    order = np.argsort(-lengths, kind='stable')  # longest first, so that finished videos are at the end
    last, held = np.full((len(order), len(nodes), 4), np.nan), np.zeros((len(order), len(nodes)), bool)
    surplus = nodes >= num_nodes[order, None]
    for frame in range(lengths.max(initial=0)):
        going = int((lengths > frame).sum())
        rows = starts[order[:going]] + frame
        gain = _gain(last[:going], held[:going], boxes[rows])
        gain[surplus[:going]] = -1
        video, node, box = _assign(gain, ~np.isnan(boxes[rows, :, 0]))
        last[video, node] = boxes[rows[video], box]
        held[:] = False
        held[video, node] = True
        tracks[rows] = last[:going]
        taken[rows[video], node] = box
    return _fill_start(tracks, taken >= 0, lengths), taken


def _gain(last: np.ndarray, held: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the gain (V, N, K) of assigning boxes (V, K, 4) to nodes with last boxes (V, N, 4).

    ``held`` (V, N) marks nodes whose last box is of the previous frame.
    """
    centers, new = ((sides[..., :2] + sides[..., 2:]) / 2 for sides in (last, boxes))
    distance = np.linalg.norm(centers[..., None, :] - new[..., None, :, :], axis=-1)  # (V,N,K)
    worth = np.where(held[..., None] & (distance < REACH), MOVED, TAKEN_OVER)
    return np.where(np.isnan(distance), FREE, iou(last, boxes) + worth / (1 + distance))


def _assign(gain: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the video, node and index of every valid box (V, K) for the maximal total gain (V, N, K)."""
    if not gain.size:
        return tuple(np.empty((3, 0), dtype=int))  # type: ignore[return-value]
    nodes = np.where(valid, gain.argmax(1), -1 - np.arange(gain.shape[2]))  # (V,K): best node of each box on its own
    ordered = np.sort(nodes, axis=1)
    for video in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1)):  # two boxes compete for a node
        boxes = np.flatnonzero(valid[video])
        chosen, columns = linear_sum_assignment(gain[video][:, boxes], maximize=True)
        nodes[video, boxes[columns]] = chosen
    videos, boxes = np.nonzero(valid)
    return videos, nodes[videos, boxes], boxes


def _fill_start(tracks: np.ndarray, seen: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Fill the frames before the first box of each node (F, N) of each video with that box."""
    lengths = lengths[lengths > 0]
    if not len(lengths):
        return tracks
    starts = lengths.cumsum() - lengths
    frames = np.arange(len(tracks))
    first = np.minimum.reduceat(np.where(seen, frames[:, None], len(tracks)), starts)  # (V,N)
    first = np.minimum(first, (starts + lengths - 1)[:, None])  # nodes without any box stay nan
    source = np.maximum(frames[:, None], np.repeat(first, lengths, axis=0))  # (F,N)
    return np.take_along_axis(tracks, source[..., None], axis=0)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union (..., M, K) of boxes (..., M, 4) and (..., K, 4); 0 for empty boxes."""
    low = np.maximum(first[..., :, None, :2], second[..., None, :, :2])
    high = np.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clip(min=0).prod(-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][..., :, None] + areas[1][..., None, :] - shared, 1e-12)
