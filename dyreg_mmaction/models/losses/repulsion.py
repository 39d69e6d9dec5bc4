"""Repulsion between the centers of a frame's regions."""

from collections.abc import Mapping

import torch
from torch import Tensor

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import MODELS

from .base import RegionLoss


@MODELS.register_module()
class CenterRepulsion(RegionLoss):
    r"""Penalize close centers of the nodes of a frame.

    .. math::
        L = \frac{1}{N (N - 1)} \sum_{i \ne j} \exp\left(-\frac{|c_i - c_j|^2}{2 r^2}\right)

    averaged over clips and frames, summed over plugins, with the centers c in 0..1 of the frame.

    Args:
        radius (float): Range r of the repulsion, as a fraction of the frame.

    Raises:
        ValueError: If ``radius`` is not positive.
    """

    def __init__(self, radius: float = 0.1) -> None:
        if radius <= 0:
            raise ValueError(f'radius is {radius}, but must be a fraction of the frame above 0')
        self.radius = radius

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, see :class:`RegionLoss`."""
        return torch.stack([self._closeness(each) for each in regions.values()]).sum(), {}

    def _closeness(self, regions: Regions) -> Tensor:
        center = regions.normalized().center.float() / self.radius  # (B,T,N,2)
        nodes = center.shape[2]
        squares = (center[:, :, :, None] - center[:, :, None]).square().sum(-1)  # (B,T,N,N), zero on the diagonal
        return ((-0.5 * squares).exp().sum((-2, -1)).mean() - nodes) / max(nodes * (nodes - 1), 1)
