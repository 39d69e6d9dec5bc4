"""MMAction2's recognisers, with the boxes of their data samples handed to the nodes."""

import numpy as np
import torch
from mmaction.models.recognizers import Recognizer2D, Recognizer3D
from torch import Tensor

from dyreg_mmaction.registry import MODELS

from .num_segments import TakesFrames
from .regions.boxes import use_boxes


class TakesBoxes:
    """Mixin in front of a recogniser: every :class:`BoxRegions` in it sees ``data_samples[i].boxes`` in its forward."""

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """The recogniser's forward, see :class:`mmaction.models.BaseRecognizer`.

        Raises:
            ValueError: If a data sample has no boxes.
        """
        if data_samples is None:  # boxes may come from outside
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]
        with use_boxes(clip_boxes(inputs, data_samples)):
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]


def clip_boxes(inputs: Tensor, data_samples: list) -> Tensor:
    """Boxes of all clips of a batch: Tensor[B, T, N, 4], a video's crops and clips as clips of their own.

    Args:
        inputs (Tensor): One entry a video.
        data_samples (list[ActionDataSample]): One a video, each with ``boxes`` (crops * clips, T, N, 4).
    """
    if len(data_samples) != len(inputs) or any('boxes' not in sample for sample in data_samples):
        raise ValueError(
            f'{len(inputs)} videos came with the boxes of {sum("boxes" in sample for sample in data_samples)}; put '
            "LoadBoxes into the pipeline and algorithm_keys=('boxes',) into its PackActionInputs"
        )
    boxes = np.concatenate([np.asarray(sample.boxes, np.float32) for sample in data_samples])
    return torch.from_numpy(boxes).to(inputs.device, non_blocking=True)


@MODELS.register_module()
class BoxRecognizer2D(TakesBoxes, TakesFrames, Recognizer2D):
    """:class:`mmaction.models.Recognizer2D` for backbones with :class:`BoxRegions`."""


@MODELS.register_module()
class BoxRecognizer3D(TakesBoxes, Recognizer3D):
    """:class:`mmaction.models.Recognizer3D` for backbones with :class:`BoxRegions`."""
