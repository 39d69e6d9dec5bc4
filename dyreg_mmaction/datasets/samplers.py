"""Which videos a run of a study sees: an endless stream to train on, a fixed choice to be evaluated on."""

from collections.abc import Iterator, Sized
from itertools import islice

import torch
from torch.utils.data import Sampler

from dyreg_mmaction.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class StreamSampler(Sampler[int]):
    """Endless indices that depend on the seed only, each epoch a permutation of its own.

    MMEngine's InfiniteSampler begins with its first index whenever it is built.

    Args:
        dataset (Sized): The dataset.
        seed (int): Seed of the stream.
        start (int): Number of indices to leave out at the beginning, at no cost.
        num_videos (int | None): Ends after so many, or at the end of the first epoch.
    """

    def __init__(self, dataset: Sized, seed: int, start: int = 0, num_videos: int | None = None) -> None:
        self.dataset, self.seed, self.start = dataset, seed, start
        self.stop = num_videos and min(num_videos, len(dataset))

    def __len__(self) -> int:
        return self.stop or len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        return islice(self._stream(), self.stop)

    def _stream(self) -> Iterator[int]:
        epoch, skipped = divmod(self.start, len(self.dataset))
        while True:
            generator = torch.Generator().manual_seed(self.seed * 100_003 + epoch)
            yield from torch.randperm(len(self.dataset), generator=generator)[skipped:].tolist()
            epoch, skipped = epoch + 1, 0
