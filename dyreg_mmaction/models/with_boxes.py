"""Recognizers that pass the boxes of their data samples to the nodes."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from .finding import box_sources
from .regions.boxes import use_boxes


class WithBoxes:
    """Mixin before a recognizer that passes ``data_samples[i].boxes`` to all region sources that take boxes.

    Raises:
        ValueError: In the forward, if a region source takes boxes and a data sample has none.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.takes_boxes = bool(box_sources(self))  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """Run the recognizer's forward, see :class:`mmaction.models.BaseRecognizer`."""
        # without data samples, the caller may have set boxes
        has_boxes = self.takes_boxes and data_samples is not None
        with use_boxes(clip_boxes(inputs, data_samples or [])) if has_boxes else nullcontext():
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]


def clip_boxes(inputs: Tensor, data_samples: list) -> Tensor:
    """Return the boxes of all clips of a batch: Tensor[B, T, N, 4], where each crop and clip of a video counts.

    Args:
        inputs (Tensor): One entry per video.
        data_samples (list[ActionDataSample]): One per video, each with ``boxes`` (crops * clips, T, N, 4).

    Raises:
        ValueError: If a data sample has no boxes.
    """
    if len(data_samples) != len(inputs) or any('boxes' not in sample for sample in data_samples):
        raise ValueError(
            f'only {sum("boxes" in sample for sample in data_samples)} of {len(inputs)} videos have boxes; add '
            "LoadBoxes to the pipeline and algorithm_keys=('boxes',) to its PackActionInputs"
        )
    boxes = np.concatenate([np.asarray(sample.boxes, np.float32) for sample in data_samples])
    return torch.from_numpy(boxes).to(inputs.device, non_blocking=True)
