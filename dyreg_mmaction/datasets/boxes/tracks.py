"""Boxes followed from frame to frame."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

REACH = 0.3  # of the frame: how far the centre of an object may jump where its boxes do not overlap
MOVED, FREE, TAKEN_OVER = 1e-3, 1e-6, 1e-9  # what nodes are worth without overlap: one is better than many of the next


def match_boxes(frames: Sequence[np.ndarray], num_boxes: int) -> np.ndarray:
    """Follow boxes from frame to frame: each goes to the node whose last box it overlaps most, in the sum over all.

    One that overlaps none goes to the nearest node that had a box in the frame before and has no other now, if their
    centres are less than ``REACH`` apart; else to a free node; where none is free, to the nearest without another.

    Args:
        frames (Sequence[np.ndarray]): Boxes (K, 4) of each frame, at most ``num_boxes`` each.
        num_boxes (int): Number of nodes N.

    Returns:
        np.ndarray: (frames, N, 4). A node keeps its last box while it has no other, and has its first box from the
        start on; one that never has a box is nan.
    """
    tracks = np.empty((len(frames), num_boxes, 4))
    last, held = np.full((num_boxes, 4), np.nan), np.zeros(num_boxes, bool)
    for track, boxes in zip(tracks, frames, strict=True):
        nodes, chosen = linear_sum_assignment(_gain(last, held, boxes), maximize=True)
        last[nodes] = boxes[chosen]
        held = np.isin(np.arange(num_boxes), nodes)
        track[:] = last
    first = np.isnan(tracks[..., 0]).sum(0).clip(max=len(frames) - 1)  # (N,)
    return tracks[np.maximum(np.arange(len(frames))[:, None], first), np.arange(num_boxes)]


def _gain(last: np.ndarray, held: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What it is worth that nodes, of last boxes (N, 4), some of the frame before, take boxes (K, 4): (N, K)."""
    centers, new = (last[:, :2] + last[:, 2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.linalg.norm(centers[:, None] - new, axis=-1)  # (N,K)
    worth = np.where(held[:, None] & (distance < REACH), MOVED, TAKEN_OVER)
    return np.where(np.isnan(distance), FREE, iou(last, boxes) + worth / (1 + distance))


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (M, 4) with boxes (K, 4): (M, K); 0 with an empty box."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)
