"""Prediction of regions from one vector per node."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import Regions, at_least_float32, decode_regions, reference_points, without_autocast

from ..size import fraction_of_side


class RegionPredictor(nn.Module):
    """Decode o = alpha * (W z + b) to regions, eq. 11-14. o starts at 0, so regions start at their references.

    Args:
        channels (int): Width L of the vectors.
        num_nodes (int): Number of nodes N.
        predict_size (bool): Whether to predict the size; otherwise it is fixed.
        half_size (float, optional): Fixed half size as a fraction of the map's side. None: 1/6 plus two cells, as in
            the released code.
        reference (str | Sequence[tuple[float, float]]): 'center', 'grid' or N points (x, y) in 0..1 of the map, see
            :func:`dyreg_mmaction.ops.reference_points`.
        initial_half_size (float, optional): Initial value of predicted half sizes, h_init of eq. 12, as a fraction of
            the map's side. None: e^h (H/6 + 1) + 1 as in the released code.
        max_size_ratio (float, optional): Limit r > 1: the factor e^h of predicted sizes stays between 1 / r and r. A
            kernel that is much larger than the map gives its centre almost no gradient. None: no limit.
        zero_init (str): What is 0 at the start: 'alpha', as in the released code, or 'weight': W and b, with alpha = 1.
            With 'alpha', only one number per coordinate has a gradient in the first iteration; with 'weight', all of W.

    Shapes:
        (B, T, N, L) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If ``half_size`` is set although the size is predicted, or ``initial_half_size`` or
            ``max_size_ratio`` although it is not, if one of them is out of range, if ``reference`` is neither known nor
            N points, or if ``zero_init`` is unknown.
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int,
        predict_size: bool = True,
        half_size: float | None = None,
        reference: str | Sequence[tuple[float, float]] = 'center',
        initial_half_size: float | None = None,
        max_size_ratio: float | None = None,
        zero_init: str = 'alpha',
    ) -> None:
        super().__init__()
        if half_size is not None and predict_size:
            raise ValueError(
                f'half_size={half_size} is a fixed size, but sizes are predicted; set predict_size=False, or use '
                'initial_half_size'
            )
        if initial_half_size is not None and not predict_size:
            raise ValueError(
                f'initial_half_size={initial_half_size} is for predicted sizes, but predict_size=False; use half_size'
            )
        if max_size_ratio is not None and not (
            predict_size and isinstance(max_size_ratio, int | float) and 1 < max_size_ratio < math.inf
        ):
            raise ValueError(
                f'max_size_ratio is {max_size_ratio!r} with predict_size={predict_size}, but must be a finite number '
                'above 1 and is for predicted sizes; remove it, or set it to 2 with predict_size=True'
            )
        if zero_init not in ('alpha', 'weight'):
            raise ValueError(f"zero_init={zero_init!r} is unknown; choose 'alpha' or 'weight'")
        self.half_size = half_size if half_size is None else fraction_of_side(half_size)
        self.initial_half_size = (
            initial_half_size if initial_half_size is None else fraction_of_side(initial_half_size, 'initial_half_size')
        )
        self.reference = reference if reference in ('center', 'grid') else _points(reference, num_nodes)
        self.max_size_ratio = max_size_ratio
        self.num_nodes = num_nodes
        numbers = 4 if predict_size else 2
        self.fc = nn.Linear(channels, numbers)
        self.alpha = nn.Parameter(torch.zeros(numbers))
        if zero_init == 'weight':
            nn.init.zeros_(self.fc.weight)
            nn.init.zeros_(self.fc.bias)
            nn.init.ones_(self.alpha)

    def forward(self, vectors: Tensor, size: tuple[int, int]) -> Regions:
        """Return regions in a map of ``size`` = (H, W), in float32 for any precision of weights and vectors."""
        dtype = at_least_float32(self.fc.weight.dtype)
        with without_autocast(vectors):
            vectors, weight, bias, alpha = (v.to(dtype) for v in (vectors, self.fc.weight, self.fc.bias, self.alpha))
            offsets = alpha * F.linear(vectors, weight, bias)
            reference = reference_points(self.reference, self.num_nodes, dtype, offsets.device)
            sizes = (self.half_size, self.initial_half_size, self.max_size_ratio)
            return decode_regions(offsets, reference, (size[1], size[0]), *sizes)


def _points(reference: Iterable, num_nodes: int) -> list[tuple[float, float]]:
    """Check the reference points of a config.

    Raises:
        ValueError: If they are not ``num_nodes`` points in 0..1 of the map.
    """
    try:
        points = [(float(x), float(y)) for x, y in reference]
    except (TypeError, ValueError):
        points = []
    if len(points) != num_nodes or not all(0 <= value <= 1 for point in points for value in point):
        raise ValueError(
            f"reference is {reference!r}, but must be 'center', 'grid' or {num_nodes} points (x, y) in 0..1 of the "
            'map, one per node'
        )
    return points
