"""Which checkpoint MMEngine resumes from."""

import functools
import logging
import os
import os.path as osp
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .replacing import wrap_in_mmengine

CUT = ' \n\0'  # removed around what last_checkpoint names: after a loss of power it may hold zeros


def find_whole_checkpoint() -> None:
    """Resuming uses the file that ``last_checkpoint`` names even if it is broken or missing: now the newest whole one.

    Without any checkpoint it is None, so that training starts from scratch.
    """
    import mmengine.runner  # noqa: F401

    def wrap(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def find_latest_checkpoint(path: str) -> str | None:
            return _whole_checkpoint(path, (stock(path) or '').strip(CUT))

        return find_latest_checkpoint

    wrap_in_mmengine('find_latest_checkpoint', wrap)


def _whole_checkpoint(path: str, latest: str) -> str | None:
    """``latest``, the last checkpoint of a work dir, or if it is broken or missing, the newest whole one."""
    from mmengine.logging import print_log

    if latest and ('://' in latest or is_whole(latest)):
        return latest
    others = _checkpoints(path, latest)
    found = next(filter(is_whole, others), None)
    if latest or others:
        wrong = f'{latest!r}, the last checkpoint, is broken or missing' if latest else 'last_checkpoint names none'
        instead = f'resuming from {found}, the newest whole one' if found else 'no other one is whole'
        print_log(f'{path}: {wrong}; {instead}.', logger='current', level=logging.WARNING)
    return found or latest or next(iter(others), None)


def find_checkpoint_since(folder: str, since: float) -> str | None:
    """Newest whole checkpoint of a work dir that was written at the time ``since`` or later, None without one."""
    pointer = Path(folder) / 'last_checkpoint'
    latest = pointer.read_text().strip(CUT) if pointer.exists() else ''
    if '://' in latest:
        return latest if pointer.stat().st_mtime >= since else None
    return next((path for path in _checkpoints(folder, latest) if os.stat(path).st_mtime >= since and is_whole(path)),
                None)  # fmt: skip


def _checkpoints(folder: str, latest: str) -> list[str]:
    """Checkpoints to resume from: the one with the name of ``latest``, in case its folder was moved, then the newest.

    Their names are like ``latest`` with any number, or MMEngine's. Without such files, they are those of a
    CheckpointHook with another ``filename_tmpl``.
    """
    like = re.sub(r'\d+', r'\\d+', re.escape(osp.basename(latest)))
    name = re.compile(rf'(epoch|iter)_\d+\.pth|interrupted\.pth|{like}')
    folders = {osp.abspath(folder), osp.dirname(osp.abspath(latest))} if latest else {folder}
    found = [file for each in folders if osp.isdir(each) for file in Path(each).iterdir()]
    files = [file for file in found if name.fullmatch(file.name)] or list(filter(_is_of_training, found))
    files.sort(key=lambda file: (file.name == osp.basename(latest), file.stat().st_mtime), reverse=True)
    return [str(file) for file in files]


def _is_of_training(file: Path) -> bool:
    """Whether a file is a numbered checkpoint with the state of a training; the best ones lack the optimizer."""
    if file.name.startswith(('best_', '.')) or not re.search(r'\d', file.stem):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            record = next(name for name in archive.namelist() if name.endswith('/data.pkl'))
            return b'message_hub' in archive.read(record)
    except Exception:  # which one depends on what is damaged, or what else it is
        return False


def is_whole(checkpoint: str | os.PathLike) -> bool:
    """Whether a checkpoint exists, is not empty and, if it is a zip file, has correct checksums.

    Folders (DeepSpeed, FSDP) and other files (PyTorch before 1.6) have no checksums; a file that begins with zeros, as
    after a loss of power, is broken.
    """
    if osp.isdir(checkpoint):
        return bool(os.listdir(checkpoint))
    try:
        with open(checkpoint, 'rb') as file:
            start = file.read(2)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if start != b'PK':
        return start not in (b'', b'\0\0')
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except Exception:  # which one depends on what is damaged
        return False


def load_where_nothing_resumes() -> None:
    """``--resume`` without a checkpoint starts from random weights: now from ``load_from``.

    MMAction2's tools/train.py:98 removes ``load_from`` from the config, so it is read again, from the options of the
    command line or the file.
    """
    from mmengine.config import Config
    from mmengine.runner import Runner, runner

    stock, stock_merge = Runner.load_or_resume, Config.merge_from_dict

    @functools.wraps(stock_merge)
    def merge_from_dict(self: Any, options: dict, *args: Any, **kwargs: Any) -> None:
        stock_merge(self, options, *args, **kwargs)
        if 'load_from' in options:
            object.__setattr__(self, '_load_from', options['load_from'])  # no setting of the config; copies have it too

    @functools.wraps(stock)
    def load_or_resume(self: Any) -> None:
        if self._resume and self._load_from is None and self.cfg.filename and not self._has_loaded:
            given = vars(self.cfg)
            file = self.cfg.filename
            load_from = given['_load_from'] if '_load_from' in given else Config.fromfile(file).get('load_from')
            if load_from and runner.find_latest_checkpoint(self.work_dir) is None:
                self.logger.warning(
                    f'{self.work_dir} has no checkpoint to resume from; loading load_from={load_from!r}.'
                )
                self._resume, self._load_from = False, load_from
        stock(self)

    Runner.load_or_resume, Config.merge_from_dict = load_or_resume, merge_from_dict
