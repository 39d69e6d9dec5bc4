"""Which videos a run of a study sees: an endless stream to train on, a fixed choice to be evaluated on."""

from collections.abc import Iterator, Sized

import torch
from torch.utils.data import Sampler

from dyreg_mmaction.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class StreamSampler(Sampler[int]):
    """Endless indices that depend on the seed only, each epoch a permutation of its own, from the ``start``-th on.

    MMEngine's InfiniteSampler begins with its first index whenever it is built.
    """

    def __init__(self, dataset: Sized, seed: int, start: int = 0) -> None:
        self.length, self.seed, self.start = len(dataset), seed, start

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        epoch, skipped = divmod(self.start, self.length)
        while True:
            order = torch.randperm(self.length, generator=torch.Generator().manual_seed(self.seed * 100_003 + epoch))
            yield from order[skipped:].tolist()
            epoch, skipped = epoch + 1, 0


@DATA_SAMPLERS.register_module()
class SpreadSampler(Sampler[int]):
    """The same ``num_videos`` indices (or all), evenly spread over the dataset."""

    def __init__(self, dataset: Sized, num_videos: int, **_) -> None:  # the runner gives a seed to every sampler
        count = min(num_videos, len(dataset))
        self.indices = [i * len(dataset) // count for i in range(count)]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
