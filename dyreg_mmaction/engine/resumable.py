"""Training that can stop anywhere and go on as if it had not: no random number depends on what ran before.

The numbers that a sample needs follow from (seed, epoch, index), whatever worker loads it; those of an iteration follow
from (seed, iteration, process). So a checkpoint holds no state of a generator, and none is lost with a process.
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
    """A seed of 64 bits that follows from non-negative ``numbers``."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def seed_generators(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch's CPU."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


class SeededIndex(int):
    """Index of a sample, with the ``seed`` of its random numbers in this epoch."""

    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        item = super().__new__(cls, index)
        item.seed = seed
        return item

    def __reduce__(self) -> tuple:
        return SeededIndex, (int(self), self.seed)


class SeededSampler(Sampler):
    """Another sampler's indices from the ``start``-th on, each with the seed of its sample in this epoch.

    Args:
        dataset (Sized): The dataset.
        sampler (dict): The other sampler; its order must follow from its seed and, with ``set_epoch``, its epoch.
        seed (int): Base of all seeds.

    Attributes:
        start (int): How many indices of this process are left out; 0 again after a pass.
    """

    def __init__(self, dataset: Any, sampler: dict, seed: int | None = None) -> None:
        self.sampler = DATA_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=seed))
        self.seed, self.epoch, self.start = seed or 0, 0, 0

    def set_seed(self, seed: int) -> None:
        """Make ``seed`` the base of the order and of the samples."""
        self.seed = self.sampler.seed = seed

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order and samples."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        """Number of indices of a whole epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[SeededIndex]:
        """Indices, each with its seed."""
        start, self.start = self.start, 0
        for index in islice(self.sampler, start, None):
            yield SeededIndex(index, derived_seed(self.seed, self.epoch, index))


DATA_SAMPLERS.register_module(module=SeededSampler)


def load_seeded(dataset: Any, load: Callable[[int], Any], index: Any) -> Any:
    """Seed the generators by a :class:`SeededIndex`, then load its sample."""
    seed_generators(index.seed)
    return load(int(index))


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epochs, which a checkpoint of any iteration resumes to the bit.

    Validation that an epoch's checkpoint has not seen, being written before it, is made up for on resuming; so
    schedules and best scores that depend on it are exact too. On SIGTERM it saves and exits, see
    :class:`SaveAndExitHook`.

    It enables the policies of compat/ that still have an effect: checkpoints are written atomically, and a resumed
    training uses the newest whole one.

    Not exact: state that hooks keep to themselves (such as EarlyStoppingHook's patience), accumulated gradients, and
    another number of processes or batch size than before.

    Args:
        runner (Runner): The runner.
        dataloader (dict): Config of the dataloader.
        **kwargs: Of :class:`mmengine.runner.EpochBasedTrainLoop`.
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
        """Train, from wherever a checkpoint has left off."""
        try:
            self._run()
        finally:
            self.exit_hook.stop_listening()
        return self.runner.model

    def _run(self) -> None:
        seed = torch.tensor(self.runner.seed)
        broadcast(seed)  # --diff-rank-seed
        self.seed = int(seed)
        self.dataloader.sampler.set_seed(self.seed)
        self.runner.call_hook('before_train')
        if self.runner.message_hub.get_info('epoch_to_validate', False):
            self._make_up_for_validation()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            if self._validation_due(self._epoch):
                self.runner.val_loop.run()
        self.runner.call_hook('after_train')

    def _make_up_for_validation(self) -> None:
        """Validate what was saved before it; a CheckpointHook that has saved nothing yet would not save it again."""
        for hook in self.runner.hooks:
            if isinstance(hook, CheckpointHook):
                hook.last_ckpt = self.runner.message_hub.get_info('last_ckpt')
        self.runner.val_loop.run()

    def run_epoch(self) -> None:
        """Train on what is left of the epoch."""
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
        torch.manual_seed(seed)  # of all devices
        super().run_iter(idx, data_batch)

    def _validation_due(self, epoch: int) -> bool:
        """Whether validation follows on the ``epoch``-th epoch."""
        self._decide_current_val_interval()
        if self.runner.val_loop is None or epoch < self.val_begin:
            return False
        return epoch % self.val_interval == 0 or epoch == self._max_epochs
