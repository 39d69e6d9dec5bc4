"""Per-clip values of a batch, for modules that process the batch in several chunks."""

from collections import Counter

from torch import Tensor, nn


class PerClip:
    """One value per clip, which each reader receives in the order of the clips.

    Args:
        values (Tensor[B, ...]): The values in the order of the clips.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.read: Counter[int] = Counter()

    def next(self, reader: nn.Module, num_clips: int) -> Tensor:
        """Return the values of the next ``num_clips`` clips of a reader."""
        start = self.read[id(reader)]
        self.read[id(reader)] += num_clips
        return self.values[start : start + num_clips]
