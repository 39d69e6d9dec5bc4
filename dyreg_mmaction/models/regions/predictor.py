"""From one vector per node to its region."""

import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, decode_regions, reference_points


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

    reference: Tensor

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
        if half_size is not None and not 0 < half_size <= 1:
            raise ValueError(f'half_size={half_size} must be a part of the side of the map, above 0 and at most 1')
        if reference not in ('center', 'grid'):
            raise ValueError(f"reference={reference!r} is unknown; choose 'center' or 'grid'")
        self.half_size = half_size
        numbers = 4 if predict_size else 2
        self.fc = nn.Linear(channels, numbers)
        self.alpha = nn.Parameter(torch.zeros(numbers))
        self.register_buffer('reference', reference_points(reference, num_nodes).float(), persistent=False)

    def forward(self, vectors: Tensor, size: tuple[int, int]) -> Regions:
        """Regions in a map of ``size`` = (H, W), in float32 under autocast too."""
        with torch.autocast(vectors.device.type, enabled=False):
            offsets = self.alpha * self.fc(vectors.to(self.fc.weight.dtype))
            return decode_regions(offsets, self.reference, (size[1], size[0]), self.half_size)
