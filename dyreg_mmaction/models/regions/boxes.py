"""Regions from given boxes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import mul

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, each_axis
from dyreg_mmaction.registry import MODELS

from ..per_clip import PerClip

_current: ContextVar[PerClip | None] = ContextVar('boxes', default=None)


@contextmanager
def use_boxes(boxes: Tensor) -> Iterator[None]:
    """Set the boxes of a batch for every :class:`BoxRegions` that runs inside the context.

    .. code:: python

        with use_boxes(boxes):
            model(x)

    Args:
        boxes (Tensor[B, T, N, 4]): (x1, y1, x2, y2) in 0..1 of the frame. A model that processes its B clips in several
            chunks (``max_testing_views``) receives them in order.
    """
    token = _current.set(PerClip(boxes))
    try:
        yield
    finally:
        _current.reset(token)


@MODELS.register_module()
class BoxRegions(nn.Module):
    """Regions given by the boxes of an object detector or of the ground truth, without learned weights.

    Boxes are set by :func:`use_boxes`. ``RegionRecognizer2D`` and ``RegionRecognizer3D`` call it with the boxes that
    the transform ``LoadBoxes`` added to the data samples. Boxes are clipped to the frame, and half sizes are at least
    one cell, so a box outside a crop becomes one cell at the nearest border.

    Source: the Detector model of DyReg-GNN (NeurIPS 2021) and its oracle on MultiSyncMNIST (appendix E.6).

    Args:
        num_nodes (int): Number of nodes N.

    Shapes:
        (B, T', C, H, W) -> Regions of (B, T', N, 2). If the backbone reduces the T frames of the boxes to T', the
        middle one of each T / T' frames is used.

    Raises:
        ValueError: If no boxes are set, or their number does not match the nodes, clips and frames. Boxes are also
            unavailable when activation checkpointing (``with_cp=True``) recomputes the inside of a block.
    """

    takes_boxes = True

    def __init__(self, num_nodes: int = 9) -> None:
        super().__init__()
        self.num_nodes = num_nodes

    def forward(self, x: Tensor) -> Regions:
        """Return the boxes as regions in cells of the map x."""
        size = (x.shape[-1], x.shape[-2])
        boxes = self._boxes(x.shape[0], x.shape[1]).to(x.device, torch.float32).clamp(0, 1)
        low, high = (each_axis(mul, corner, size) for corner in boxes.split(2, -1))
        center = each_axis(lambda v, n: v.clamp(0, n - 1), (low + high) / 2, size)
        return Regions(center, ((high - low) / 2).clamp(min=1), size)

    def _boxes(self, num_clips: int, num_frames: int) -> Tensor:
        current = _current.get()
        if current is None:
            raise ValueError(
                "BoxRegions has no boxes; use model type='RegionRecognizer2D' (or 3D) with LoadBoxes in its pipelines, "
                'or run the module inside `with use_boxes(boxes):`, or, if activation checkpointing recomputes a block '
                "in backward, set with_cp=False or put the plugin after the whole block, like after='layer3.1'"
            )
        boxes = current.next(self, num_clips)
        clips, frames, nodes = boxes.shape[:3]
        if clips != num_clips or nodes != self.num_nodes or frames < num_frames:
            raise ValueError(
                f'boxes of {clips} clips, {frames} frames and {nodes} nodes do not match {num_clips} clips of '
                f'{num_frames} frames and {self.num_nodes} nodes; set num_boxes of LoadBoxes to num_nodes of the plugin'
            )
        index = (torch.arange(num_frames, device=boxes.device) * 2 + 1) * frames // (2 * num_frames)
        return boxes[:, index]
