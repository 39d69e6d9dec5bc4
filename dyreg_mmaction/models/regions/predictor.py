"""From one vector per node to its region."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dyreg_mmaction.ops import Regions, at_least_float32, decode_regions, reference_points, without_autocast

from ..size import part_of_side


class RegionPredictor(nn.Module):
    """o = alpha * (W z + b), decoded to a region, eq. 11-14; alpha starts at 0, so regions start where they are put.

    Args:
        channels (int): Width L of the vectors.
        num_nodes (int): Number of nodes N.
        predict_size (bool): Whether the size is predicted, or fixed.
        half_size (float, optional): The fixed half size, as a part of the side of the map; None: the released 1/6 plus
            two cells.
        reference (str): 'center' or 'grid', see :func:`dyreg_mmaction.ops.reference_points`.

    Shapes:
        (B, T, N, L) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If ``half_size`` is given although the size is predicted or lies outside 0..1, or ``reference`` is
            unknown.
    """

    def __init__(
        self,
        channels: int,
        num_nodes: int,
        predict_size: bool = True,
        half_size: float | None = None,
        reference: str = 'center',
    ) -> None:
        super().__init__()
        if half_size is not None and predict_size:
            raise ValueError(f'half_size={half_size} fixes the size of the regions; it needs predict_size=False')
        if reference not in ('center', 'grid'):
            raise ValueError(f"reference={reference!r} is unknown; choose 'center' or 'grid'")
        self.half_size = half_size if half_size is None else part_of_side(half_size)
        self.reference = reference
        self.num_nodes = num_nodes
        numbers = 4 if predict_size else 2
        self.fc = nn.Linear(channels, numbers)
        self.alpha = nn.Parameter(torch.zeros(numbers))

    def forward(self, vectors: Tensor, size: tuple[int, int]) -> Regions:
        """Regions in a map of ``size`` = (H, W), in float32 whatever the precision of weights and vectors."""
        dtype = at_least_float32(self.fc.weight.dtype)
        with without_autocast(vectors):
            vectors, weight, bias, alpha = (v.to(dtype) for v in (vectors, self.fc.weight, self.fc.bias, self.alpha))
            offsets = alpha * F.linear(vectors, weight, bias)
            reference = reference_points(self.reference, self.num_nodes, dtype, offsets.device)
            return decode_regions(offsets, reference, (size[1], size[0]), self.half_size)
