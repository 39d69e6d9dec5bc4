"""Links between nodes whose regions touch or overlap, within a frame or also between consecutive frames."""

import torch
from torch import Tensor

TOLERANCE = 1e-4  # fraction of the map's side; allows for rounding of edges that touch


def neighbours(boxes: Tensor, others: Tensor) -> Tensor:
    """Return whether rectangles overlap or touch along an edge. A shared corner alone does not count.

    Args:
        boxes (Tensor[..., N, 4]): Corners (x1, y1, x2, y2), in 0..1 of the map.
        others (Tensor[..., M, 4]): Corners of the rectangles to compare with.

    Returns:
        Tensor[..., N, M]: bool.

    Source: RSTG (NeurIPS 2019).
    """
    low = torch.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    high = torch.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    overlap = high - low  # (...,N,M,2), negative for separate rectangles
    return (overlap > -TOLERANCE).all(-1) & (overlap > TOLERANCE).any(-1)


def space_links(boxes: Tensor) -> Tensor:
    """Return the links of each node to its neighbors in the same frame, without self-links.

    Args:
        boxes (Tensor[..., N, 4]): Corners (x1, y1, x2, y2), in 0..1 of the map.

    Returns:
        Tensor[..., N, N]: bool, symmetric.
    """
    return neighbours(boxes, boxes) & ~_identity(boxes)


def space_time_links(boxes: Tensor) -> Tensor:
    """Return the links of each node within its frame and to the previous and the next frame.

    Within the frame, a node is linked to its neighbors; in the previous and the next frame, also to itself.

    Args:
        boxes (Tensor[T, ..., N, 4]): Corners (x1, y1, x2, y2), in 0..1 of the map.

    Returns:
        Tensor[T, ..., N, 3 * N]: bool; the last axis has the node order of :func:`with_adjacent_frames`.
    """
    forward = neighbours(boxes[:-1], boxes[1:]) | _identity(boxes)  # (T-1,...,N,N), from frame t to t + 1
    none = torch.zeros_like(space_links(boxes[:1]))
    before = torch.cat((none, forward.transpose(-1, -2)))
    after = torch.cat((forward, none))
    return torch.cat((space_links(boxes), before, after), dim=-1)


def with_adjacent_frames(nodes: Tensor) -> Tensor:
    """Concatenate the nodes of each frame with those of the previous and the next frame, zeros outside the clip.

    Args:
        nodes (Tensor[T, ..., N, C]): Nodes, time first.

    Returns:
        Tensor[T, ..., 3 * N, C]
    """
    none = torch.zeros_like(nodes[:1])
    return torch.cat((nodes, torch.cat((none, nodes[:-1])), torch.cat((nodes[1:], none))), dim=-2)


def _identity(boxes: Tensor) -> Tensor:
    return torch.eye(boxes.shape[-2], dtype=torch.bool, device=boxes.device)
