"""Motion warm start: regions are trained to cover moving objects."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, without_autocast
from dyreg_mmaction.ops.motion import motion_energy
from dyreg_mmaction.registry import MODELS

from .base import RegionLoss
from .frames import clip_frames
from .likelihood import likelihood_loss


@MODELS.register_module()
class MotionLikelihood(RegionLoss):
    r"""Negative log-likelihood of the motion energy under the regions.

    .. math::
        L = - \sum_p S_t(p) \log\left(\frac1N \sum_i G_i(p) + e^{-2}\right)

    averaged over clips and frames, summed over plugins. G_i is the Gaussian of a region (:func:`.likelihood_loss`). S_t
    is the motion energy :math:`|f_t - f_{t-1}| + |f_{t+1} - f_t|` (:func:`.motion_energy`), averaged to the map's size,
    minus its mean, clamped at 0, divided by its sum. Frames without motion do not contribute.

    Args:
        steady (bool): Whether to compensate global changes (camera, light, cuts), see :func:`.motion_energy`.
        neighbours (bool): Whether to use the difference between each frame and its adjacent video frame, which
            :class:`.WithNeighbours` of the training pipeline provides. Objects move less between these, so the energy
            is closer to the object, while the motion of a shaking camera is not smaller.

    Raises:
        ValueError: If an option is not a bool; when called, if the clips have one frame, or the neighbours are missing.
    """

    releases = True

    def __init__(self, steady: bool = True, neighbours: bool = False) -> None:
        for name, value in (('steady', steady), ('neighbours', neighbours)):
            if not isinstance(value, bool):
                raise ValueError(f'{name} of MotionLikelihood is {value!r}, but must be True or False')
        self.steady = steady
        self.neighbours = neighbours
        self.preprocessor: nn.Module | None = None

    def check(self, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:
        """Store the preprocessor, which normalizes neighbours in the same way as frames."""
        self.preprocessor = preprocessor

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, see :class:`RegionLoss`."""
        with without_autocast(frames):
            with torch.no_grad():
                energy = self._energy(frames, data_samples)
                targets = {path: motion_target(energy, each) for path, each in regions.items()}
            return likelihood_loss(regions, targets)

    def _energy(self, frames: Tensor, data_samples: list) -> Tensor:
        if self.neighbours:
            return motion_energy(frames, self.steady, self._neighbours(frames, data_samples))
        if frames.shape[1] < 2:
            raise ValueError(
                f'MotionLikelihood needs clips of at least 2 frames, but got {frames.shape[1]}; increase num_clips or '
                'clip_len of SampleFrames, or remove this loss'
            )
        return motion_energy(frames, self.steady)

    def _neighbours(self, frames: Tensor, data_samples: list) -> Tensor:
        """Return the neighbours of all frames, Tensor[B, T, C, H, W], normalized in the same way."""
        given = [torch.as_tensor(sample.neighbours) for sample in data_samples if 'neighbours' in sample]
        if len(given) < len(data_samples):
            raise ValueError(
                f'MotionLikelihood(neighbours=True) got {len(data_samples)} videos, but only {len(given)} with '
                'neighbours; put WithNeighbours after SampleFrames of the training pipeline, with the transforms from '
                "decoding to FormatShape inside, and add algorithm_keys=('neighbours',) to PackActionInputs"
            )
        inputs = self.preprocessor(dict(inputs=given, data_samples=[]))['inputs']  # type: ignore[misc]
        return clip_frames(inputs, len(frames))


def motion_target(energy: Tensor, regions: Regions) -> Tensor:
    """Return the density of motion on the regions' map: Tensor[B, T', H', W'] with sum 1 or 0 in each frame.

    If the map has fewer frames than the clip, consecutive frames are averaged.
    """
    (width, height), time = regions.map_size, regions.center.shape[1]
    energy = F.adaptive_avg_pool3d(energy[:, None], (time, height, width))[:, 0]
    excess = (energy - energy.mean((-2, -1), keepdim=True)).relu()
    return excess / excess.sum((-2, -1), keepdim=True).clamp(min=1e-6)
