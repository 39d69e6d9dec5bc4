"""Selection of the checkpoint that MMEngine resumes from."""

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

PADDING = ' \n\0'  # stripped from the content of last_checkpoint, which may contain zeros after a power failure


def find_whole_checkpoint() -> None:
    """Resuming fails if the file named in ``last_checkpoint`` is damaged. Now the newest intact one is used.

    Without any checkpoint the result is None, and training starts from scratch.
    """
    import mmengine.runner  # noqa: F401

    def wrap(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def find_latest_checkpoint(path: str) -> str | None:
            return _whole_checkpoint(path, (stock(path) or '').strip(PADDING))

        return find_latest_checkpoint

    wrap_in_mmengine('find_latest_checkpoint', wrap)


def _whole_checkpoint(path: str, latest: str) -> str | None:
    """Return the last checkpoint of a work dir or, if it is damaged or missing, the newest intact one."""
    from mmengine.logging import print_log

    if latest and ('://' in latest or is_whole(latest)):
        return latest
    others = _checkpoints(path, latest)
    found = next(filter(is_whole, others), None)
    if latest or others:
        wrong = f'the last checkpoint {latest!r} is damaged or missing' if latest else 'last_checkpoint names no file'
        instead = f'resuming from {found}, the newest intact checkpoint' if found else 'no other checkpoint is intact'
        print_log(f'{path}: {wrong}; {instead}.', logger='current', level=logging.WARNING)
    return found or latest or next(iter(others), None)


def find_checkpoint_since(folder: str, since: float) -> str | None:
    """Return the newest intact checkpoint of a work dir written at or after ``since``, None if there is none."""
    pointer = Path(folder) / 'last_checkpoint'
    latest = pointer.read_text().strip(PADDING) if pointer.exists() else ''
    if '://' in latest:
        return latest if pointer.stat().st_mtime >= since else None
    return next((path for path in _checkpoints(folder, latest) if os.stat(path).st_mtime >= since and is_whole(path)),
                None)  # fmt: skip


def _checkpoints(folder: str, latest: str) -> list[str]:
    """Return candidates to resume from: the file named as ``latest`` (the folder may have moved), then by age.

    Candidates are named as MMEngine's checkpoints, or as ``latest`` with another number. If there are none, training
    checkpoints of any ``filename_tmpl`` are returned.
    """
    like = re.sub(r'\d+', r'\\d+', re.escape(osp.basename(latest)))
    name = re.compile(rf'(epoch|iter)_\d+\.pth|interrupted\.pth|{like}')
    folders = {osp.abspath(folder), osp.dirname(osp.abspath(latest))} if latest else {folder}
    found = [file for each in folders if osp.isdir(each) for file in Path(each).iterdir()]
    files = [file for file in found if name.fullmatch(file.name)] or list(filter(_is_of_training, found))
    files.sort(key=lambda file: (file.name == osp.basename(latest), file.stat().st_mtime), reverse=True)
    return [str(file) for file in files]


def _is_of_training(file: Path) -> bool:
    """Return whether a file is a numbered training checkpoint. Best checkpoints lack the optimizer."""
    if file.name.startswith(('best_', '.')) or not re.search(r'\d', file.stem):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            record = next(name for name in archive.namelist() if name.endswith('/data.pkl'))
            return b'message_hub' in archive.read(record)
    except Exception:  # the type depends on the damage or file type
        return False


def is_whole(checkpoint: str | os.PathLike) -> bool:
    """Return whether a checkpoint exists, is not empty and, if it is a zip file, has correct checksums.

    Folders (DeepSpeed, FSDP) and other files (PyTorch before 1.6) have no checksums. A file that starts with zeros, as
    after a power failure, is damaged.
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
    except Exception:  # the type depends on the damage
        return False


def load_where_nothing_resumes() -> None:
    """``--resume`` without a checkpoint starts from random weights. It now starts from ``load_from``.

    MMAction2's tools/train.py:98 removes ``load_from`` from the config, so it is read again from the command-line
    options or the file.
    """
    from mmengine.config import Config
    from mmengine.runner import Runner, runner

    stock, stock_merge = Runner.load_or_resume, Config.merge_from_dict

    @functools.wraps(stock_merge)
    def merge_from_dict(self: Any, options: dict, *args: Any, **kwargs: Any) -> None:
        stock_merge(self, options, *args, **kwargs)
        if 'load_from' in options:
            object.__setattr__(self, '_load_from', options['load_from'])  # not a key of the config, but kept by copies

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
