"""The motion warm start: regions learn to be where something moves."""

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
    r"""How badly regions explain where something moves.

    .. math::
        L = - \sum_p S_t(p) \log\left(\frac1N \sum_i G_i(p) + e^{-2}\right)

    averaged over clips and frames, summed over plugins, with G_i the gaussian of a region (:func:`.likelihood_loss`)
    and S_t the motion energy :math:`|f_t - f_{t-1}| + |f_{t+1} - f_t|` (:func:`.motion_energy`), averaged to the map,
    minus its mean, clamped at 0, divided by its sum. Frames without motion teach nothing.

    Args:
        steady (bool): Whether what the whole frame does (camera, light, cuts) is left out, see :func:`.motion_energy`.
        neighbours (bool): Whether S is instead of the difference between each frame and the one beside it in the video,
            which :class:`.WithNeighbours` of the training pipeline gives. As what moves has moved little between them,
            its energy lies closer around it, while a camera that shakes shakes as much.

    Raises:
        ValueError: If an option is no bool; by the call, if the clips have one frame, or no neighbours where these are
            to be used.
    """

    releases = True

    def __init__(self, steady: bool = True, neighbours: bool = False) -> None:
        for name, value in (('steady', steady), ('neighbours', neighbours)):
            if not isinstance(value, bool):
                raise ValueError(f'{name}={value!r} of MotionLikelihood must be True or False')
        self.steady = steady
        self.neighbours = neighbours
        self.preprocessor: nn.Module | None = None

    def check(self, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:
        """Neighbours are normalised as the frames are."""
        self.preprocessor = preprocessor

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, see :class:`RegionLoss`."""
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
                f'MotionLikelihood sees motion between frames, but the clips are of {frames.shape[1]} frame; sample at '
                'least 2 (num_clips or clip_len of SampleFrames), or leave this loss out'
            )
        return motion_energy(frames, self.steady)

    def _neighbours(self, frames: Tensor, data_samples: list) -> Tensor:
        """Those of all frames, Tensor[B, T, C, H, W], normalised like them."""
        given = [torch.as_tensor(sample.neighbours) for sample in data_samples if 'neighbours' in sample]
        if len(given) < len(data_samples):
            raise ValueError(
                f'MotionLikelihood(neighbours=True) got {len(data_samples)} videos, {len(given)} of them with '
                'neighbours; put WithNeighbours behind SampleFrames of the training pipeline, around all from the '
                "decoding to FormatShape, and algorithm_keys=('neighbours',) into PackActionInputs"
            )
        inputs = self.preprocessor(dict(inputs=given, data_samples=[]))['inputs']  # type: ignore[misc]
        return clip_frames(inputs, len(frames))


def motion_target(energy: Tensor, regions: Regions) -> Tensor:
    """Where the motion is, on the map of the regions: Tensor[B, T', H', W'] of the sum 1, or 0, in each frame.

    A map with fewer frames than the clip gets the mean of those that each of its frames stands for.
    """
    (width, height), time = regions.map_size, regions.center.shape[1]
    energy = F.adaptive_avg_pool3d(energy[:, None], (time, height, width))[:, 0]
    excess = (energy - energy.mean((-2, -1), keepdim=True)).relu()
    return excess / excess.sum((-2, -1), keepdim=True).clamp(min=1e-6)
