"""SyncMNIST and MultiSyncMNIST: the task is to find the digits of a clip that move in sync.

``docs/reference/sync_mnist.md`` lists the details that the papers do not specify, and our choices.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dyreg_mmaction.registry import DATASETS

from .synchronous_digits import SynchronousDigits

_PAIRS = [f'{low} & {high}' for high in range(10) for low in range(high)]


@DATASETS.register_module()
class SyncMNIST(SynchronousDigits):
    """SyncMNIST: two of 3 or 5 digits of different classes move in sync; 46 classes.

    Args: see :class:`SynchronousDigits`; ``DEFAULTS`` lists the defaults of this class.

    Source: the released generator of RSTG.
    """

    METAINFO = dict(classes=[*_PAIRS, 'none'])
    DEFAULTS = dict(canvas_size=100, frame_size=64, none_prob=1 / 92, max_sync_dist=None, interpolation='bilinear')

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**self.DEFAULTS, **kwargs})
        if len(self.digit_classes) < self.num_digits:
            raise ValueError(
                f'digit_classes is {self.digit_classes.tolist()}, but must have at least {self.num_digits} classes '
                'because the digits of a clip are of different classes; add classes or decrease num_digits'
            )

    def _choose_images(self, rng: np.random.Generator, index: int) -> np.ndarray:
        """Choose the first digit by the index, so that all images are used, and the others from other classes."""
        first = index % len(self.images.classes)
        rank = np.searchsorted(self.digit_classes, self.images.classes[first])
        num_classes = len(self.digit_classes)
        ranks = (rank + 1 + rng.permutation(num_classes - 1)[: self.num_digits - 1]) % num_classes
        others = self.digit_classes[ranks]
        return np.append(first, self.images.pick(others, rng.random(self.num_digits - 1)))

    def _choose_synchronous(self, rng: np.random.Generator) -> np.ndarray:
        """Choose the first two digits, which are drawn first, so that the others occlude them."""
        return np.arange(self.num_digits) < (0 if rng.random() < self.none_prob else 2)


@DATASETS.register_module()
class MultiSyncMNIST(SynchronousDigits):
    """MultiSyncMNIST: two or more of 3, 5 or 9 digits move in sync; 56 classes.

    Several digits may be of the same class. The label is the pair of the smallest and the largest class of the
    synchronous digits.

    Args: see :class:`SynchronousDigits`; ``DEFAULTS`` lists the defaults of this class; and
        sync_size_weights: Relative frequencies of 2, 3, ..., D synchronous digits. Defaults to equal frequencies.

    Source: paper and loader of DyReg-GNN; the generator was not released.
    """

    METAINFO = dict(classes=[*_PAIRS, 'none', *(f'{digit} & {digit}' for digit in range(10))])
    DEFAULTS = dict(canvas_size=256, frame_size=128, none_prob=1 / 56, max_sync_dist=160, interpolation='area')

    def __init__(self, *args: Any, sync_size_weights: Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{**self.DEFAULTS, **kwargs})
        num_sizes = self.num_digits - 1
        weights = np.ones(num_sizes) if sync_size_weights is None else np.asarray(sync_size_weights, float)
        if weights.shape != (num_sizes,) or not weights.sum() > 0 or weights.min() < 0:
            raise ValueError(
                f'sync_size_weights is {sync_size_weights}, but must be {num_sizes} weights, none negative and not all '
                f'zero, for 2 to {self.num_digits} synchronous digits'
            )
        self.sync_size_borders = np.cumsum(weights) / weights.sum()

    def _choose_images(self, rng: np.random.Generator, index: int) -> np.ndarray:
        classes = self.digit_classes[rng.integers(len(self.digit_classes), size=self.num_digits)]
        return self.images.pick(classes, rng.random(self.num_digits))

    def _choose_synchronous(self, rng: np.random.Generator) -> np.ndarray:
        size = 2 + np.searchsorted(self.sync_size_borders, rng.random(), side='right')
        return rng.permutation(self.num_digits) < (0 if rng.random() < self.none_prob else size)
