"""Handle unreadable samples: they are counted in training and count as wrong in tests."""

from collections.abc import Sequence
from typing import Any

from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader

from dyreg_mmaction.datasets.layers import load_through
from dyreg_mmaction.datasets.replace_damaged import replace_damaged
from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.registry import HOOKS

LISTED = 20  # maximum number of paths in a message


@HOOKS.register_module()
class DamagedSamples(Hook):
    """Log, count and limit the samples that :func:`.replace_damaged` replaces.

    In training each path is logged once with the reason, and their number after every epoch. In validation and test the
    true class of an unreadable sample gets the lowest score, so that the sample counts as wrong in every metric. The
    paths are listed at the end.

    Args:
        limit (float): Maximum fraction of unreadable samples in an epoch. Above it training stops.

    Raises:
        ValueError: If ``limit`` is not in 0..1.
    """

    def __init__(self, limit: float = 0.05) -> None:
        if not 0 <= limit <= 1:
            raise ValueError(f'limit={limit} must be a fraction from 0 to 1')
        self.limit = limit
        self.known: set[str] = set()
        self.seen = 0
        self.replaced: list[str] = []
        self.positions: list[int] = []  # indices of the replaced samples of this process
        self.handle: Any = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Reset the counts."""
        self.seen, self.replaced, self.positions = 0, [], []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Log new unreadable samples and check the limit.

        Raises:
            RuntimeError: If the fraction of unreadable samples is above the limit.
        """
        self._count(runner, data_batch)
        samples = max(self.seen, len(runner.train_dataloader.dataset) / get_world_size())
        if len(self.replaced) > self.limit * samples:
            raise RuntimeError(
                f'{len(self.replaced)} training samples of this epoch cannot be read, more than the limit of '
                f'{self.limit:.0%} of {samples:g}: {_list(self.replaced)}; fix them, remove them from the list '
                "(tools/data/prepare_something.py --drop-broken), or set custom_hooks=[dict(type='DamagedSamples', "
                'limit=...)]'
            )

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the number of replaced samples."""
        self._report(runner, f'training samples of epoch {runner.epoch + 1} cannot be read and were replaced')

    def before_val_epoch(self, runner: Runner) -> None:
        """Make predictions for unreadable samples count as wrong."""
        self.before_train_epoch(runner)
        self.handle = unwrap(runner.model).register_forward_hook(self._make_wrong, with_kwargs=True)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Log new unreadable samples."""
        self._count(runner, data_batch)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """List the unreadable samples."""
        self._after_evaluation(runner, len(runner.val_dataloader.dataset), f', after epoch {runner.epoch}')

    before_test_epoch, after_test_iter = before_val_epoch, after_val_iter

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """List the unreadable samples."""
        self._after_evaluation(runner, len(runner.test_dataloader.dataset))  # a test-only run has no epoch

    def _after_evaluation(self, runner: Runner, size: int, when: str = '') -> None:
        self.handle.remove()
        self._report(runner, f'samples cannot be read and count as wrong{when}', size)

    def _count(self, runner: Runner, data_batch: Any) -> None:
        samples = _of_data_samples(data_batch.get('data_samples') if isinstance(data_batch, dict) else None)
        for position, damaged in enumerate((sample.get('damaged') for sample in samples), self.seen):
            if damaged:
                self.replaced.append(next(iter(damaged)))
                self.positions.append(position)
                for path in damaged.keys() - self.known:
                    runner.logger.warning(f'{path} is replaced: {damaged[path]}')
                self.known.update(damaged)
        self.seen += len(samples)

    def _report(self, runner: Runner, what: str, size: int | None = None) -> None:
        """Log the replaced samples of all processes, without the ``size``-th and later ones, which are padding."""
        shards = all_gather_object((self.seen, self.replaced, self.positions))
        paths = [
            path
            for rank, (_, replaced, positions) in enumerate(shards)
            for path, position in zip(replaced, positions, strict=True)
            if size is None or position * len(shards) + rank < size
        ]
        if paths:
            runner.logger.warning(  # MMLogger drops repeated warnings, so ``what`` names the epoch
                f'{len(paths)} of {size or sum(seen for seen, _, _ in shards)} {what}: {_list(paths)}'
            )

    @staticmethod
    def _make_wrong(model: nn.Module, args: Any, kwargs: dict, outputs: Any) -> None:
        if kwargs.get('mode') != 'predict':
            return
        for sample in _of_data_samples(outputs):
            if sample.get('damaged') and 'pred_score' in sample:
                scores, label = sample.pred_score.clone(), sample.gt_label
                if 1 < len(label) == scores.shape[-1]:  # multi-label: one number per class
                    label = label.nonzero().squeeze(1)
                scores[..., label] = scores.min() - 1
                sample.set_pred_score(scores).set_pred_label(scores.argmax(-1, keepdim=True))


def _of_data_samples(samples: Any) -> Sequence[BaseDataElement]:
    """Return the samples, or none if they are not data samples of MMEngine."""
    of_mmengine = isinstance(samples, Sequence) and all(isinstance(sample, BaseDataElement) for sample in samples)
    return samples if of_mmengine else ()


def _list(paths: list[str]) -> str:
    paths = list(dict.fromkeys(paths))
    return ', '.join(paths[:LISTED]) + (f' and {len(paths) - LISTED} more' if len(paths) > LISTED else '')


def watch_damaged(runner: Runner) -> None:
    """Make all DataLoaders of a runner replace unreadable samples, and register :class:`DamagedSamples`.

    Config and datasets are not changed.
    """
    build = runner.build_dataloader

    def build_dataloader(*args: Any, **kwargs: Any) -> DataLoader:
        loader = build(*args, **kwargs)
        load_through(loader.dataset, replace_damaged)
        return loader

    runner.build_dataloader = build_dataloader
    if not any(isinstance(hook, DamagedSamples) for hook in runner.hooks):
        runner.register_hook(DamagedSamples())
