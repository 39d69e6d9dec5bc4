"""Training loop that resumes exactly from a checkpoint of any iteration.

Random numbers of a sample depend only on (seed, epoch, index), not on the worker that loads it. Random numbers of an
iteration depend only on (seed, iteration, rank). So checkpoints need not contain the state of random number generators.
"""

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast, get_dist_info
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import Sampler

from dyreg_mmaction.compat import enable_loop_policies
from dyreg_mmaction.datasets.layers import load_through
from dyreg_mmaction.registry import DATA_SAMPLERS, LOOPS

from .hooks import SaveAndExitHook


def derived_seed(*numbers: int) -> int:
    """Derive a 64-bit seed from non-negative ``numbers``."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def seed_generators(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch's CPU backend."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


class SeededIndex(int):
    """Index of a sample with the ``seed`` of its random numbers in this epoch."""

    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        """Create an index with a seed."""
        item = super().__new__(cls, index)
        item.seed = seed
        return item

    def __reduce__(self) -> tuple:
        return SeededIndex, (int(self), self.seed)


class SeededSampler(Sampler):
    """Wrap another sampler: skip its first ``start`` indices and attach a seed to each index.

    Args:
        dataset (Sized): The dataset.
        sampler (dict): Config of the wrapped sampler. Its order must depend only on its seed and, with ``set_epoch``,
            on its epoch.
        seed (int, optional): Base seed.

    Attributes:
        start (int): Number of indices of this process to skip. It is reset to 0 by each iteration over the sampler.
    """

    def __init__(self, dataset: Any, sampler: dict, seed: int | None = None) -> None:
        self.sampler = DATA_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=seed))
        self.seed, self.epoch, self.start = seed or 0, 0, 0

    def set_seed(self, seed: int) -> None:
        """Set the base seed of order and samples."""
        self.seed = self.sampler.seed = seed

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of order and samples."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of indices of a full epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[SeededIndex]:
        """Yield the indices with their seeds."""
        start, self.start = self.start, 0
        for index in islice(self.sampler, start, None):
            yield SeededIndex(index, derived_seed(self.seed, self.epoch, index))


DATA_SAMPLERS.register_module(module=SeededSampler)


def load_seeded(dataset: Any, load: Callable[[int], Any], index: Any) -> Any:
    """Seed the generators from a :class:`SeededIndex`, then load the sample."""
    seed_generators(index.seed)
    return load(int(index))


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop, resumable bit-exactly from a checkpoint of any iteration.

    The checkpoint of an epoch is written before its validation. If the validation was interrupted, it is repeated on
    resuming, so schedules and best scores that depend on it are exact too. On SIGTERM the loop saves and exits, see
    :class:`SaveAndExitHook`.

    The loop enables the policies of :mod:`dyreg_mmaction.compat` that still have an effect: checkpoints are written
    atomically, and training resumes from the newest intact one.

    Resuming is not exact with hooks that do not save their state (such as the patience of EarlyStoppingHook), with
    accumulated gradients, and with another number of processes or batch size.

    Args:
        runner (Runner): The runner.
        dataloader (dict): Config of the dataloader.
        **kwargs: Arguments of :class:`mmengine.runner.EpochBasedTrainLoop`.
    """

    def __init__(self, runner: Runner, dataloader: dict, **kwargs) -> None:
        enable_loop_policies()
        sampler = dict(type='dyreg_mmaction.SeededSampler', sampler=dataloader['sampler'])
        super().__init__(runner, dict(dataloader, sampler=sampler), **kwargs)
        load_through(self.dataloader.dataset, load_seeded)
        self.exit_hook = SaveAndExitHook()
        runner.register_hook(self.exit_hook)
        self.seed = 0

    def run(self) -> torch.nn.Module:
        """Train from the start or from the resumed iteration."""
        try:
            self._run()
        finally:
            self.exit_hook.stop_listening()
        return self.runner.model

    def _run(self) -> None:
        seed = torch.tensor(self.runner.seed)
        broadcast(seed)  # seeds differ with --diff-rank-seed
        self.seed = int(seed)
        self.dataloader.sampler.set_seed(self.seed)
        self.runner.call_hook('before_train')
        if self.runner.message_hub.get_info('epoch_to_validate', False):
            self._repeat_validation()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            if self._validation_due(self._epoch):
                self.runner.val_loop.run()
        self.runner.call_hook('after_train')

    def _repeat_validation(self) -> None:
        """Run the interrupted validation. CheckpointHook then updates the last checkpoint and needs its name."""
        for hook in self.runner.hooks:
            if isinstance(hook, CheckpointHook):
                hook.last_ckpt = self.runner.message_hub.get_info('last_ckpt')
        self.runner.val_loop.run()

    def run_epoch(self) -> None:
        """Train on the remaining batches of the epoch."""
        hub = self.runner.message_hub
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        _, world_size = get_dist_info()
        batch_size = self.dataloader.batch_size
        start = hub.get_info('samples_done', 0) // world_size
        self.dataloader.sampler.start = start
        for index, batch in enumerate(self.dataloader, start // batch_size):
            hub.update_info('samples_done', (index + 1) * batch_size * world_size)
            self.run_iter(index, batch)
        hub.update_info('samples_done', 0)
        hub.update_info('epoch_to_validate', self._validation_due(self._epoch + 1))
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on one batch."""
        rank, _ = get_dist_info()
        seed = derived_seed(self.seed, self._iter, rank)
        seed_generators(seed)
        torch.manual_seed(seed)  # seeds all devices
        super().run_iter(idx, data_batch)

    def _validation_due(self, epoch: int) -> bool:
        """Return whether to validate after ``epoch`` epochs."""
        self._decide_current_val_interval()
        if self.runner.val_loop is None or epoch < self.val_begin:
            return False
        return epoch % self.val_interval == 0 or epoch == self._max_epochs
