"""Recognizers that give the boxes of their data samples to the nodes."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from .finding import box_sources
from .regions.boxes import use_boxes


class WithBoxes:
    """Mixin in front of a recognizer: region sources that take boxes see ``data_samples[i].boxes``.

    Raises:
        ValueError: By the forward, if a region source takes boxes and the data samples have none.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.takes_boxes = bool(box_sources(self))  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """The recognizer's forward, see :class:`mmaction.models.BaseRecognizer`."""
        # without samples boxes may come from outside
        gives = self.takes_boxes and data_samples is not None
        with use_boxes(clip_boxes(inputs, data_samples or [])) if gives else nullcontext():
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]


def clip_boxes(inputs: Tensor, data_samples: list) -> Tensor:
    """Boxes of all clips of a batch: Tensor[B, T, N, 4], a video's crops and clips as clips of their own.

    Args:
        inputs (Tensor): One entry a video.
        data_samples (list[ActionDataSample]): One a video, each with ``boxes`` (crops * clips, T, N, 4).

    Raises:
        ValueError: If a data sample has no boxes.
    """
    if len(data_samples) != len(inputs) or any('boxes' not in sample for sample in data_samples):
        raise ValueError(
            f'{len(inputs)} videos came with the boxes of {sum("boxes" in sample for sample in data_samples)}; put '
            "LoadBoxes into the pipeline and algorithm_keys=('boxes',) into its PackActionInputs"
        )
    boxes = np.concatenate([np.asarray(sample.boxes, np.float32) for sample in data_samples])
    return torch.from_numpy(boxes).to(inputs.device, non_blocking=True)
