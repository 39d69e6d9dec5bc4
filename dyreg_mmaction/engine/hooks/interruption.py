"""SIGTERM: save, then exit."""

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
    """A ``worker_init_fn`` that puts a data loading worker out of the reach of signals for the training process.

    torchrun sends them to the group, and the training process needs its workers to end well. They still end with it, as
    they watch it.

    Args:
        then (Callable, optional): Another ``worker_init_fn``, called next.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self.then = then

    def __call__(self, worker_id: int) -> None:
        if hasattr(os, 'setpgid'):
            os.setpgid(0, 0)
        if self.then is not None:
            self.then(worker_id)


@HOOKS.register_module()
class SaveAndExitHook(Hook):
    """On SIGTERM, finishes the iteration, saves ``interrupted.pth``, and exits with code 143.

    All processes leave after the same iteration. During validation nothing is saved, as the epoch's checkpoint has all
    but the validation, which is made up for on resuming.
    """

    priority = 80  # after schedulers have stepped, before CheckpointHook saves that validation is over

    def __init__(self) -> None:
        self.asked = False
        self.previous: Any = None

    def before_train(self, runner: Runner) -> None:
        """Listen, before there are data loading workers."""
        for loop in filter(None, (runner.train_loop, runner.val_loop)):
            loop.dataloader.worker_init_fn = LeaveProcessGroup(loop.dataloader.worker_init_fn)
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGTERM, self._listen) or signal.SIG_DFL

    def _listen(self, *_) -> None:
        self.asked = True

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Save and exit where any process was asked to."""
        asked = torch.tensor(int(self.asked))
        all_reduce(asked, 'max')
        if asked:
            runner.save_checkpoint(runner.work_dir, NAME, by_epoch=False)
            if is_main_process():
                point_to(runner.work_dir, NAME)
            barrier()
            _exit(runner, f'after iteration {runner.iter + 1}; saved {NAME}')

    def after_val_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Exit."""
        if self.asked:
            _exit(runner, 'during validation')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Note that this epoch is validated, for what is saved from here on."""
        runner.message_hub.update_info('epoch_to_validate', False)

    def after_train(self, runner: Runner) -> None:
        """Remove what an earlier interruption has left, unless nothing was saved since; stop listening."""
        if is_main_process() and _last(runner.work_dir) != NAME:
            (Path(runner.work_dir) / NAME).unlink(missing_ok=True)
        self.stop_listening()

    def stop_listening(self) -> None:
        """Let SIGTERM do what it did before; call it when training fails, too."""
        if self.previous is not None:
            signal.signal(signal.SIGTERM, self.previous)
            self.previous = None


def point_to(work_dir: str, name: str) -> None:
    """Make the checkpoint ``name`` the one that ``--resume`` goes on from."""
    with atomic_write(Path(work_dir) / 'last_checkpoint') as file:
        file.write_text(str(Path(work_dir) / name))


def _last(work_dir: str) -> str:
    """Name of the checkpoint that ``--resume`` goes on from; '' without one."""
    pointer = Path(work_dir) / 'last_checkpoint'
    return Path(pointer.read_text().strip()).name if pointer.exists() else ''


def _exit(runner: Runner, when: str) -> None:
    runner.logger.info(f'Stopped by SIGTERM {when}; --resume goes on from there.')
    raise SystemExit(EXIT_CODE)
