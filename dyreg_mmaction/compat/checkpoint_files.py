"""Checkpoint files of mmengine 0.10.7: written as a whole, removed last, and which one to resume from."""

import functools
import logging
import os
import os.path as osp
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .replacing import replace_in_mmengine


def write_checkpoints_whole() -> None:
    """``mmengine/runner/checkpoint.py:790`` writes in place: a process killed meanwhile leaves half a file."""
    from mmengine.runner import checkpoint

    stock = checkpoint.save_checkpoint

    @functools.wraps(stock)
    def save_checkpoint(content: dict, filename: str, file_client_args: Any = None, backend_args: Any = None) -> None:
        if '://' in filename or file_client_args or backend_args:
            return stock(content, filename, file_client_args, backend_args)
        folder, name = osp.split(osp.abspath(filename))
        part = osp.join(folder, f'.{name}.part')  # one name: what a killed process has left is overwritten
        stock(content, part)
        _sync(part)
        os.replace(part, filename)
        if os.name == 'posix':
            _sync(folder)

    replace_in_mmengine(stock, save_checkpoint)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY if osp.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _RemoveLater:
    """A file backend that removes nothing yet."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.removed: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.removed.append(functools.partial(self.backend.remove, path))

    def rmtree(self, path: str) -> None:
        self.removed.append(functools.partial(self.backend.rmtree, path))


def remove_checkpoints_last() -> None:
    """``mmengine/hooks/checkpoint_hook.py:446`` removes the old checkpoint before it writes the new one."""
    from mmengine.hooks import CheckpointHook

    stock = CheckpointHook._save_checkpoint_with_step

    @functools.wraps(stock)
    def save_checkpoint_with_step(self: Any, *args: Any, **kwargs: Any) -> None:
        backend, self.file_backend = self.file_backend, _RemoveLater(self.file_backend)
        later = self.file_backend
        try:
            stock(self, *args, **kwargs)
        finally:
            self.file_backend = backend
        for remove in later.removed:
            remove()

    CheckpointHook._save_checkpoint_with_step = save_checkpoint_with_step


def find_whole_checkpoint() -> None:
    """``mmengine/runner/checkpoint.py:796`` takes the file that ``last_checkpoint`` names, be it broken or missing.

    It is now the newest whole one of the folder.
    """
    from mmengine.logging import print_log
    from mmengine.runner import checkpoint

    stock = checkpoint.find_latest_checkpoint

    @functools.wraps(stock)
    def find_latest_checkpoint(path: str) -> str | None:
        latest = stock(path)
        if latest is None or '://' in latest or _is_whole(latest):
            return latest
        files = [
            file for pattern in ('epoch_*.pth', 'iter_*.pth', 'interrupted.pth') for file in Path(path).glob(pattern)
        ]
        files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        whole = next((str(file) for file in files if _is_whole(file)), None)
        print_log(
            f'The checkpoint {latest!r}, the last of {path}, is broken or missing; resuming from {whole}, the newest '
            'whole one.',
            logger='current',
            level=logging.WARNING,
        )
        return whole

    replace_in_mmengine(stock, find_latest_checkpoint)


def _is_whole(file: str | os.PathLike) -> bool:
    """Whether every record of a checkpoint, which is a zip file, is there and has its checksum."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def load_where_nothing_resumes() -> None:
    """``mmengine/runner/runner.py:1679``: ``--resume`` without a checkpoint starts from random weights.

    MMAction2's tools/train.py:98 takes ``load_from`` out of the config for it, so that the file has to be asked again.
    """
    from mmengine.config import Config
    from mmengine.runner import Runner, runner

    stock = Runner.load_or_resume

    @functools.wraps(stock)
    def load_or_resume(self: Any) -> None:
        if self._resume and self._load_from is None and self.cfg.filename and not self._has_loaded:
            load_from = Config.fromfile(self.cfg.filename).get('load_from')
            if load_from and runner.find_latest_checkpoint(self.work_dir) is None:
                self.logger.warning(
                    f'{self.work_dir} has no checkpoint to resume from; loading load_from={load_from!r}.'
                )
                self._resume, self._load_from = False, load_from
        stock(self)

    Runner.load_or_resume = load_or_resume
