"""Values of the clips of a batch, for modules that take the batch in several parts."""

from collections import Counter

from torch import Tensor, nn


class PerClip:
    """One value for each clip, given to each of its readers clip by clip.

    Args:
        values (Tensor[B, ...]): In the order of the clips.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.read: Counter[int] = Counter()

    def next(self, reader: nn.Module, num_clips: int) -> Tensor:
        """The values of the next ``num_clips`` clips of a reader."""
        start = self.read[id(reader)]
        self.read[id(reader)] += num_clips
        return self.values[start : start + num_clips]
