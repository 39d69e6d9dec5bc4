"""Boxes followed from frame to frame."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

REACH = 0.3  # of the frame: how far the centre of an object may jump where its boxes do not overlap
MOVED, FREE, TAKEN_OVER = 1e-3, 1e-6, 1e-9  # what nodes are worth without overlap: one is better than many of the next


def match_boxes(
    boxes: np.ndarray, lengths: Sequence[int] | np.ndarray, num_nodes: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow boxes from frame to frame: each goes to the node whose last box it overlaps most, in the sum over all.

    One that overlaps none goes to the nearest node that had a box in the frame before and has no other now, if their
    centres are less than ``REACH`` apart; else to a free node; where none is free, to the nearest without another.
    Many videos go side by side, a frame of each at a time.

    Args:
        boxes (np.ndarray): Boxes (F, K, 4) of the frames of all videos, one after the other; nan where there are fewer.
        lengths (Sequence[int]): Number of frames of each video; their sum is F.
        num_nodes (Sequence[int]): Number of nodes of each video, not below its number of boxes in any frame.

    Returns:
        tuple[np.ndarray, np.ndarray]: Box (F, N, 4) of each node, N the largest number of nodes: its last one while it
        has no other, its first one from the start on, nan if it never has one; and which of the frame's boxes is its
        own (F, N), -1 if none.
    """
    lengths, num_nodes = np.asarray(lengths, dtype=int), np.asarray(num_nodes, dtype=int)
    starts, nodes = lengths.cumsum() - lengths, np.arange(num_nodes.max(initial=0))
    tracks = np.full((len(boxes), len(nodes), 4), np.nan)
    taken = np.full(tracks.shape[:2], -1)
    order = np.argsort(-lengths, kind='stable')  # the longest first, so that those that have ended are the last
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
    """Worth (V, N, K) of nodes, of last boxes (V, N, 4), some of the frame before, taking boxes (V, K, 4)."""
    centers, new = ((sides[..., :2] + sides[..., 2:]) / 2 for sides in (last, boxes))
    distance = np.linalg.norm(centers[..., None, :] - new[..., None, :, :], axis=-1)  # (V,N,K)
    worth = np.where(held[..., None] & (distance < REACH), MOVED, TAKEN_OVER)
    return np.where(np.isnan(distance), FREE, iou(last, boxes) + worth / (1 + distance))


def _assign(gain: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The video, node and box of every valid box (V, K), for the largest sum of the gain (V, N, K)."""
    if not gain.size:
        return tuple(np.empty((3, 0), dtype=int))  # type: ignore[return-value]
    nodes = np.where(valid, gain.argmax(1), -1 - np.arange(gain.shape[2]))  # (V,K): what is best for each box alone
    ordered = np.sort(nodes, axis=1)
    for video in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1)):  # two want the same node
        boxes = np.flatnonzero(valid[video])
        chosen, columns = linear_sum_assignment(gain[video][:, boxes], maximize=True)
        nodes[video, boxes[columns]] = chosen
    videos, boxes = np.nonzero(valid)
    return videos, nodes[videos, boxes], boxes


def _fill_start(tracks: np.ndarray, seen: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Give each node (F, N) of each video the box that it has first, from the start on."""
    lengths = lengths[lengths > 0]
    if not len(lengths):
        return tracks
    starts = lengths.cumsum() - lengths
    frames = np.arange(len(tracks))
    first = np.minimum.reduceat(np.where(seen, frames[:, None], len(tracks)), starts)  # (V,N)
    first = np.minimum(first, (starts + lengths - 1)[:, None])  # no box at all: nan is kept
    source = np.maximum(frames[:, None], np.repeat(first, lengths, axis=0))  # (F,N)
    return np.take_along_axis(tracks, source[..., None], axis=0)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., M, 4) with boxes (..., K, 4): (..., M, K); 0 with an empty box."""
    low = np.maximum(first[..., :, None, :2], second[..., None, :, :2])
    high = np.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clip(min=0).prod(-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][..., :, None] + areas[1][..., None, :] - shared, 1e-12)
