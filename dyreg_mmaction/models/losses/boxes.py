"""Regions learn to be where objects are, from boxes that only training needs."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dyreg_mmaction.ops import Regions, area, normalize, without_autocast
from dyreg_mmaction.registry import MODELS

from .base import RegionLoss
from .likelihood import likelihood_loss


@MODELS.register_module()
class BoxLikelihood(RegionLoss):
    r"""How badly regions explain where objects are: :class:`MotionLikelihood` with boxes in place of motion.

    S_t is the mean over the objects of a frame of a uniform density in the box of each. Boxes come with the clips:
    ``LoadObjects`` and ``WithBoxes`` in the training pipeline, ``algorithm_keys=('objects',)`` in PackActionInputs.
    Frames without objects teach nothing; testing needs no boxes.

    Raises:
        ValueError: By the call, if a data sample has no ``objects``, or they are of other frames.
    """

    releases = True

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, see :class:`RegionLoss`."""
        objects = clip_objects(data_samples).to(frames.device)
        if objects.shape[:2] != frames.shape[:2]:
            raise ValueError(
                f'objects of {objects.shape[0]} clips of {objects.shape[1]} frames came with {frames.shape[0]} clips '
                f'of {frames.shape[1]}; put LoadObjects behind SampleFrames and the decoding, in front of all else'
            )
        with without_autocast(frames):
            return likelihood_loss(regions, {path: box_target(objects, each) for path, each in regions.items()})


def clip_objects(data_samples: list) -> Tensor:
    """Boxes of the objects of all clips: Tensor[B, T, K, 4] in 0..1 of the frame, nan where there is none."""
    if any('objects' not in sample for sample in data_samples):
        raise ValueError(
            f'BoxLikelihood got {len(data_samples)} videos, {sum("objects" in s for s in data_samples)} of them with '
            "objects; put LoadObjects into the training pipeline and algorithm_keys=('objects',) into PackActionInputs"
        )
    videos = [torch.from_numpy(np.asarray(s.objects, np.float32)).flatten(0, 1).transpose(0, 1) for s in data_samples]
    padded = pad_sequence(videos, batch_first=True, padding_value=torch.nan)  # (videos,K,clips*T,4)
    clips = len(data_samples[0].objects)
    return padded.transpose(1, 2).unflatten(1, (clips, -1)).flatten(0, 1)


def box_target(objects: Tensor, regions: Regions) -> Tensor:
    """Where boxes Tensor[B, T, K, 4] are, on the map of the regions: Tensor[B, T', H', W'] of the sum 1, or 0."""
    (width, height), time = regions.map_size, regions.center.shape[1]
    low, high = objects.nan_to_num(0).clamp(0, 1).split(2, dim=-1)  # what is not there is empty
    seen = (high > low).all(-1, keepdim=True)  # (B,T,K,1)
    kx, ky = (
        normalize(area((low + high)[..., axis] * length / 2, (high - low)[..., axis] * length / 2, length)) * seen
        for axis, length in enumerate((width, height))
    )
    maps = ky.transpose(-2, -1) @ kx  # (B,T,H',W'), of the sum of the number of boxes
    maps = maps / seen.sum(-2, keepdim=True).clamp(min=1)
    maps = F.adaptive_avg_pool3d(maps[:, None], (time, height, width))[:, 0]
    return maps / maps.sum((-2, -1), keepdim=True).clamp(min=1e-6)
