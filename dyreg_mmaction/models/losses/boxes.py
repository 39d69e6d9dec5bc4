"""Supervision of regions by object boxes, which are needed only in training."""

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
    r"""Negative log-likelihood of object boxes under the regions: :class:`MotionLikelihood` with boxes as target.

    S_t is the mean, over the objects of a frame, of a uniform density in the object's box. The training pipeline must
    provide the boxes: ``LoadObjects``, ``WithBoxes``, and ``algorithm_keys=('objects',)`` of PackActionInputs. Frames
    without objects do not contribute. Testing needs no boxes.

    Raises:
        ValueError: When called, if a data sample has no ``objects``, or the objects are of other frames.
    """

    releases = True

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, see :class:`RegionLoss`."""
        objects = clip_objects(data_samples).to(frames.device)
        if objects.shape[:2] != frames.shape[:2]:
            raise ValueError(
                f'objects are of {objects.shape[0]} clips of {objects.shape[1]} frames, but the input has '
                f'{frames.shape[0]} clips of {frames.shape[1]}; put LoadObjects directly after the decoding'
            )
        with without_autocast(frames):
            return likelihood_loss(regions, {path: box_target(objects, each) for path, each in regions.items()})


def clip_objects(data_samples: list) -> Tensor:
    """Return the object boxes of all clips: Tensor[B, T, K, 4] in 0..1 of the frame, nan for missing objects."""
    if any('objects' not in sample for sample in data_samples):
        raise ValueError(
            f'BoxLikelihood got {len(data_samples)} videos, but only {sum("objects" in s for s in data_samples)} with '
            "objects; add LoadObjects to the training pipeline and algorithm_keys=('objects',) to PackActionInputs"
        )
    videos = [torch.from_numpy(np.asarray(s.objects, np.float32)).flatten(0, 1).transpose(0, 1) for s in data_samples]
    padded = pad_sequence(videos, batch_first=True, padding_value=torch.nan)  # (videos,K,clips*T,4)
    clips = len(data_samples[0].objects)
    return padded.transpose(1, 2).unflatten(1, (clips, -1)).flatten(0, 1)


def box_target(objects: Tensor, regions: Regions) -> Tensor:
    """Return the density of boxes Tensor[B, T, K, 4] on the regions' map: Tensor[B, T', H', W'] with sum 1 or 0."""
    (width, height), time = regions.map_size, regions.center.shape[1]
    low, high = objects.nan_to_num(0).clamp(0, 1).split(2, dim=-1)  # missing objects become empty boxes
    seen = (high > low).all(-1, keepdim=True)  # (B,T,K,1)
    kx, ky = (
        normalize(area((low + high)[..., axis] * length / 2, (high - low)[..., axis] * length / 2, length)) * seen
        for axis, length in enumerate((width, height))
    )
    maps = ky.transpose(-2, -1) @ kx  # (B,T,H',W'), sums to the number of boxes
    maps = maps / seen.sum(-2, keepdim=True).clamp(min=1)
    maps = F.adaptive_avg_pool3d(maps[:, None], (time, height, width))[:, 0]
    return maps / maps.sum((-2, -1), keepdim=True).clamp(min=1e-6)
