"""Which nodes exchange messages: neighbouring or overlapping regions, in a frame or across frames too."""

import torch
from torch import Tensor

TOLERANCE = 1e-4  # of the side of the map; edges that meet do so up to rounding


def neighbours(boxes: Tensor, others: Tensor) -> Tensor:
    """Whether rectangles overlap or share a part of an edge; a common corner alone does not count.

    Args:
        boxes (Tensor[..., N, 4]): Corners (x1, y1, x2, y2), in 0..1 of the map.
        others (Tensor[..., M, 4]): Corners of the others.

    Returns:
        Tensor[..., N, M]: bool.

    Source: RSTG (NeurIPS 2019).
    """
    low = torch.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    high = torch.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    overlap = high - low  # (...,N,M,2), negative where they are apart
    return (overlap > -TOLERANCE).all(-1) & (overlap > TOLERANCE).any(-1)


def space_links(boxes: Tensor) -> Tensor:
    """Links of each node to its neighbours in the frame, itself not among them.

    Args:
        boxes (Tensor[..., N, 4]): Corners (x1, y1, x2, y2), in 0..1 of the map.

    Returns:
        Tensor[..., N, N]: bool, symmetric.
    """
    return neighbours(boxes, boxes) & ~_identity(boxes)


def space_time_links(boxes: Tensor) -> Tensor:
    """Links of each node to its neighbours in its frame, and to itself and its neighbours in the frames beside it.

    Args:
        boxes (Tensor[T, ..., N, 4]): Corners (x1, y1, x2, y2), in 0..1 of the map.

    Returns:
        Tensor[T, ..., N, 3 * N]: bool; to the nodes in the order of :func:`with_frames_beside`.
    """
    forward = neighbours(boxes[:-1], boxes[1:]) | _identity(boxes)  # (T-1,...,N,N), from frame t to t + 1
    none = torch.zeros_like(space_links(boxes[:1]))
    before = torch.cat((none, forward.transpose(-1, -2)))
    after = torch.cat((forward, none))
    return torch.cat((space_links(boxes), before, after), dim=-1)


def with_frames_beside(nodes: Tensor) -> Tensor:
    """Nodes of each frame, then those of the frame before and of the frame after, zeros beyond the clip.

    Args:
        nodes (Tensor[T, ..., N, C]): Nodes, time first.

    Returns:
        Tensor[T, ..., 3 * N, C]
    """
    none = torch.zeros_like(nodes[:1])
    return torch.cat((nodes, torch.cat((none, nodes[:-1])), torch.cat((nodes[1:], none))), dim=-2)


def _identity(boxes: Tensor) -> Tensor:
    return torch.eye(boxes.shape[-2], dtype=torch.bool, device=boxes.device)
