"""Save and exit on SIGTERM."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.registry import HOOKS

NAME = 'interrupted.pth'
EXIT_CODE = 128 + signal.SIGTERM


class LeaveProcessGroup:
    """A ``worker_init_fn`` that moves a data loading worker to its own process group.

    torchrun sends signals to the process group, but the training process needs its workers until it has saved. Workers
    still exit with the training process because they monitor it.

    Args:
        then (Callable, optional): Another ``worker_init_fn`` to call afterwards.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self.then = then

    def __call__(self, worker_id: int) -> None:
        """Run in a worker when it starts."""
        if hasattr(os, 'setpgid'):
            os.setpgid(0, 0)
        if self.then is not None:
            self.then(worker_id)


@HOOKS.register_module()
class SaveAndExitHook(Hook):
    """On SIGTERM, finish the iteration, save ``interrupted.pth`` and exit with code 143.

    All processes exit after the same iteration. During validation nothing is saved: training resumes from the
    checkpoint of the epoch, and :class:`.ResumableTrainLoop` repeats the validation.
    """

    priority = 80  # after ParamSchedulerHook, before CheckpointHook saves that validation is done

    def __init__(self) -> None:
        self.stop_requested = False
        self.previous: Any = None

    def before_train(self, runner: Runner) -> None:
        """Install the signal handler before workers start."""
        for loop in filter(None, (runner.train_loop, runner.val_loop)):
            loop.dataloader.worker_init_fn = LeaveProcessGroup(loop.dataloader.worker_init_fn)
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGTERM, self._listen) or signal.SIG_DFL

    def _listen(self, *_) -> None:
        self.stop_requested = True

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Save and exit if any process has received SIGTERM."""
        requested = torch.tensor(int(self.stop_requested))
        all_reduce(requested, 'max')
        if requested:
            runner.save_checkpoint(runner.work_dir, NAME, by_epoch=False)
            if is_main_process():
                point_to(runner.work_dir, NAME)
            barrier()
            _exit(runner, f'after iteration {runner.iter + 1}; saved {NAME}')

    def after_val_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Exit if this process has received SIGTERM."""
        if self.stop_requested:
            _exit(runner, 'during validation')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Record in the message hub that this epoch is validated."""
        runner.message_hub.update_info('epoch_to_validate', False)

    def after_train(self, runner: Runner) -> None:
        """Remove the checkpoint of an earlier interruption if a newer one exists, and restore the signal handler."""
        if is_main_process() and _last(runner.work_dir) != NAME:
            (Path(runner.work_dir) / NAME).unlink(missing_ok=True)
        self.stop_listening()

    def stop_listening(self) -> None:
        """Restore the previous handler of SIGTERM. Call it when training fails, too."""
        if self.previous is not None:
            signal.signal(signal.SIGTERM, self.previous)
            self.previous = None


def point_to(work_dir: str, name: str) -> None:
    """Make ``name`` the checkpoint that ``--resume`` loads."""
    with atomic_write(Path(work_dir) / 'last_checkpoint') as file:
        file.write_text(str(Path(work_dir) / name))


def _last(work_dir: str) -> str:
    """Return the name of the checkpoint that ``--resume`` loads, '' if there is none."""
    pointer = Path(work_dir) / 'last_checkpoint'
    return Path(pointer.read_text().strip()).name if pointer.exists() else ''


def _exit(runner: Runner, when: str) -> None:
    runner.logger.info(f'Stopped by SIGTERM {when}; continue with --resume.')
    raise SystemExit(EXIT_CODE)
