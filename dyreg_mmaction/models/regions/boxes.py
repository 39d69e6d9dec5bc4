"""Regions from boxes that come with the clip."""

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
    """Give the boxes of a batch to every :class:`BoxRegions` that runs inside the context, and to nothing after it.

    .. code:: python

        with use_boxes(boxes):
            model(x)

    Args:
        boxes (Tensor[B, T, N, 4]): (x1, y1, x2, y2) in 0..1 of the frame. A model that takes its B clips in several
            parts (``max_testing_views``) gets them in their order.
    """
    token = _current.set(PerClip(boxes))
    try:
        yield
    finally:
        _current.reset(token)


@MODELS.register_module()
class BoxRegions(nn.Module):
    """The boxes of an object detector or of the ground truth; nothing is learned.

    Boxes are given by :func:`use_boxes`; ``RegionRecognizer2D`` and ``RegionRecognizer3D`` do it with what the
    transform ``LoadBoxes`` has put into the data samples. They are clipped to the frame; a region has half a side of
    its box, one cell at least, so that a box outside a crop becomes one cell at the border next to it.

    Source: the Detector model of DyReg-GNN (NeurIPS 2021), its oracle on MultiSyncMNIST (appendix E.6).

    Args:
        num_nodes (int): Number of nodes N.

    Shapes:
        (B, T', C, H, W) -> Regions of (B, T', N, 2); where the backbone has reduced the T frames of the boxes to T',
        those in the middle of each T / T' frames are taken.

    Raises:
        ValueError: If there are no boxes, or they are not as many as nodes, clips and frames ask for. There are none
            either in what activation checkpointing (``with_cp=True``) runs again, the inside of a block.
    """

    takes_boxes = True

    def __init__(self, num_nodes: int = 9) -> None:
        super().__init__()
        self.num_nodes = num_nodes

    def forward(self, x: Tensor) -> Regions:
        """The boxes in the cells of the map x."""
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
                'or run the module inside `with use_boxes(boxes):`. If this is the backward pass, activation '
                'checkpointing runs a block again when its boxes are gone: set with_cp=False, or put the plugin after '
                "the whole block, like after='layer3.1'"
            )
        boxes = current.next(self, num_clips)
        clips, frames, nodes = boxes.shape[:3]
        if clips != num_clips or nodes != self.num_nodes or frames < num_frames:
            raise ValueError(
                f'boxes of {clips} clips, {frames} frames and {nodes} nodes do not fit {num_clips} clips of '
                f'{num_frames} frames and {self.num_nodes} nodes; make num_boxes of LoadBoxes and num_nodes of the '
                'plugin agree'
            )
        index = (torch.arange(num_frames, device=boxes.device) * 2 + 1) * frames // (2 * num_frames)
        return boxes[:, index]
