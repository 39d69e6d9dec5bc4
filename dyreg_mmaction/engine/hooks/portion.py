"""End a portion of training with a point of the curve and an atomically written checkpoint."""

import math
import time
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner, set_random_seed

from dyreg_mmaction.engine.region_numbers import region_numbers
from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.models.finding import region_sources
from dyreg_mmaction.models.recording import record_regions
from dyreg_mmaction.registry import HOOKS

CHECKPOINT = 'checkpoint.pth'


@HOOKS.register_module()
class PortionHook(Hook):
    """Stop iteration-based training after each validation. Resuming it trains the next portion.

    Each portion appends a point to the curve, a list in the message hub and so in the checkpoint. A point has
    ``videos``, ``seconds``, ``loss`` (mean over the portion), the metrics, and mean ``shift`` and ``variation`` (named
    ``motion``) of the regions of all plugins in cells, see :func:`.region_numbers`. The sampler must start at the
    position of the run. Random generators are seeded in each portion, so interrupted runs give identical results.

    Raises:
        FloatingPointError: If the mean loss is not finite. The portion is not saved.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.began = time.monotonic()

    def before_train(self, runner: Runner) -> None:
        """Keep the loop from skipping batches, and record the initial regions."""
        set_random_seed((runner.seed * 100_003 + runner.iter) % 2**32)  # limit of NumPy's seeds
        self.first_iter, loop = runner.iter, runner.train_loop
        loop.dataloader_iterator = chain(repeat(None, runner.iter), loop.dataloader_iterator)
        if runner.iter == 0 and region_sources(runner.model):
            runner.val_loop.run()
            runner.message_hub.update_info('start', {path: c.mean((0, 1)).tolist() for path, c in self.centers.items()})

    def before_val_epoch(self, runner: Runner) -> None:
        """Start to record regions."""
        self.recording = ExitStack()
        regions = region_sources(runner.model)
        self.record = self.recording.enter_context(record_regions(runner.model)) if regions else {}

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Append the point, save, and end the portion."""
        self.recording.close()
        self.centers = {path: torch.cat([r.center for r in each]).cpu() for path, each in self.record.items()}
        if runner.iter == self.first_iter:
            return
        hub = runner.message_hub
        loss = float(hub.get_scalar('train/loss').mean(runner.iter - self.first_iter))
        if not math.isfinite(loss):
            raise FloatingPointError(f'the loss in {runner.work_dir} is {loss}, not finite; lower the learning rate')
        curve = hub.get_info('curve', [])
        seconds = time.monotonic() - self.began + (curve[-1]['seconds'] if curve else 0)
        point = dict(videos=runner.iter * runner.train_dataloader.batch_size, seconds=seconds, loss=loss)
        point |= {key: float(value) for key, value in (metrics or {}).items()}
        start = hub.get_info('start', {})
        numbers = [region_numbers(center, torch.tensor(start[path])) for path, center in self.centers.items()]
        if numbers:
            for key, name in (('shift', 'shift'), ('motion', 'variation')):
                point[key] = torch.stack([each[name] for each in numbers]).mean().item()
        hub.update_info('curve', [*curve, point])
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        with atomic_write(Path(runner.work_dir) / CHECKPOINT) as file:
            runner.save_checkpoint(str(file.parent), file.name, by_epoch=False, meta=meta)
        runner.train_loop.stop_training = True
