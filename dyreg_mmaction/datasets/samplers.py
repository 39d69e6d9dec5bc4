"""Samplers of studies: an endless training stream and a fixed subset for evaluation."""

from collections.abc import Iterator, Sized
from itertools import islice

import torch
from torch.utils.data import Sampler

from dyreg_mmaction.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class StreamSampler(Sampler[int]):
    """Yield indices endlessly, each epoch in a new permutation, as a function of the seed only.

    Unlike MMEngine's InfiniteSampler it can start in the middle of the stream.

    Args:
        dataset (Sized): The dataset.
        seed (int): Seed of the stream.
        start (int): Number of indices to skip, at no cost.
        num_videos (int | None): If set, the stream ends after this number of indices, or at the end of the first epoch.
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
