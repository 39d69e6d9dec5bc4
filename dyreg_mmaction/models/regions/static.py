"""Learned regions that do not depend on the clip."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import MODELS

from ..size import positive_integer
from .predictor import RegionPredictor


@MODELS.register_module()
class StaticRegions(nn.Module):
    """One learned region per node, equal for all frames of all clips: the Static model of DyReg-GNN.

    A learned vector replaces z_i in eq. 11; everything else is as in :class:`DynamicRegions`.

    Args:
        num_nodes (int): Number of nodes N.
        hidden_channels (int): Width L of the vectors.
        predict_size (bool): Whether sizes are learned.
        half_size (float, optional): Fixed half size as a fraction of the map's side, with ``predict_size=False``.
        reference (str | Sequence[tuple[float, float]]): Initial centers: 'center': the middle of the map; 'grid': the
            most square grid; or one point (x, y) in 0..1 of the map per node, eq. 6 and 13.
        initial_half_size (float, optional): Initial value of learned half sizes as a fraction of the map's side:
            e^h h_init as in eq. 12; None: e^h (H/6 + 1) + 1 as in the released code.
        max_size_ratio (float, optional): Limit r > 1: the factor e^h of learned sizes stays between 1 / r and r.
            None: no limit.
        zero_init (str): What is 0 at the start, so that regions start at ``reference``: 'alpha', as in the released
            code, or 'weight': W and b, with alpha = 1, so that all of W has a gradient at once.

    Shapes:
        (B, T, C, H, W) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If ``reference`` is unknown or ``half_size`` is invalid.
    """

    def __init__(
        self,
        num_nodes: int = 9,
        hidden_channels: int = 128,
        predict_size: bool = True,
        half_size: float | None = None,
        reference: str | Sequence[tuple[float, float]] = 'center',
        initial_half_size: float | None = None,
        max_size_ratio: float | None = None,
        zero_init: str = 'alpha',
    ) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(num_nodes, positive_integer(hidden_channels, 'hidden_channels')))
        self.predictor = RegionPredictor(
            hidden_channels,
            num_nodes,
            predict_size,
            half_size,
            reference,
            initial_half_size,
            max_size_ratio,
            zero_init,
        )

    def forward(self, x: Tensor) -> Regions:
        """Return the learned regions in cells of the map x."""
        return self.predictor(self.vectors[None, None], x.shape[-2:]).expand(x.shape[0], x.shape[1])
