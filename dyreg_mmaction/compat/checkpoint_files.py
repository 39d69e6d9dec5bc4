"""Checkpoint files of mmengine 0.10.7: written as a whole, removed last, and which one to resume from."""

import functools
import logging
import os
import os.path as osp
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .replacing import replace_in_mmengine

CUT = ' \n\0'  # around what last_checkpoint names; zeros are all that is left of it after a loss of power


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
        self.removed: list[tuple[str, Callable[[str], None]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.removed.append((path, self.backend.remove))

    def rmtree(self, path: str) -> None:
        self.removed.append((path, self.backend.rmtree))


def remove_checkpoints_last() -> None:
    """``mmengine/hooks/checkpoint_hook.py:446,545`` removes the old checkpoint before it writes the new one."""
    from mmengine.hooks import CheckpointHook

    def removing_last(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def save(self: Any, *args: Any, **kwargs: Any) -> None:
            if not hasattr(self, 'file_backend'):  # a validation without a training, which saves nothing
                return stock(self, *args, **kwargs)
            backend, self.file_backend = self.file_backend, _RemoveLater(self.file_backend)
            removed = self.file_backend.removed
            try:
                stock(self, *args, **kwargs)
            finally:
                self.file_backend = backend
            best = getattr(self, 'best_ckpt_path_dict', {}).values()
            written = {self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best}
            for path, remove in removed:
                if path not in written:  # the new one may have the name of the old one
                    remove(path)

        return save

    CheckpointHook._save_checkpoint_with_step = removing_last(CheckpointHook._save_checkpoint_with_step)
    CheckpointHook._save_best_checkpoint = removing_last(CheckpointHook._save_best_checkpoint)


def find_whole_checkpoint() -> None:
    """``mmengine/runner/checkpoint.py:796`` takes the file that ``last_checkpoint`` names, be it broken or missing.

    It is now the newest whole one. Only where there are no checkpoints at all it is None, which starts from scratch.
    """
    from mmengine.logging import print_log
    from mmengine.runner import checkpoint

    stock = checkpoint.find_latest_checkpoint

    @functools.wraps(stock)
    def find_latest_checkpoint(path: str) -> str | None:
        latest = (stock(path) or '').strip(CUT)
        if latest and ('://' in latest or is_whole(latest)):
            return latest
        others = _checkpoints(path, latest)
        found = next(filter(is_whole, others), None)
        if latest or others:
            wrong = f'{latest!r}, the last checkpoint, is broken or missing' if latest else 'last_checkpoint names none'
            instead = f'resuming from {found}, the newest whole one' if found else 'there is no other that is whole'
            print_log(f'{path}: {wrong}; {instead}.', logger='current', level=logging.WARNING)
        return found or latest or next(iter(others), None)

    replace_in_mmengine(stock, find_latest_checkpoint)


def find_checkpoint_since(folder: str, since: float) -> str | None:
    """The newest whole checkpoint of a work dir that was written at the time ``since`` or later, None without one."""
    pointer = Path(folder) / 'last_checkpoint'
    latest = pointer.read_text().strip(CUT) if pointer.exists() else ''
    if '://' in latest:
        return latest if pointer.stat().st_mtime >= since else None
    return next((path for path in _checkpoints(folder, latest) if os.stat(path).st_mtime >= since and is_whole(path)),
                None)  # fmt: skip


def _checkpoints(folder: str, latest: str) -> list[str]:
    """Checkpoints to resume from: those with the name of ``latest``, in case its folder was moved, then the newest.

    If none has the name of ``latest`` but for its number, or one of MMEngine's, those of a CheckpointHook with another
    ``filename_tmpl``.
    """
    like = re.sub(r'\d+', r'\\d+', re.escape(osp.basename(latest)))
    name = re.compile(rf'(epoch|iter)_\d+\.pth|interrupted\.pth|{like}')
    folders = {osp.abspath(folder), osp.dirname(osp.abspath(latest))} if latest else {folder}
    found = [file for each in folders if osp.isdir(each) for file in Path(each).iterdir()]
    files = [file for file in found if name.fullmatch(file.name)] or list(filter(_is_of_training, found))
    files.sort(key=lambda file: (file.name == osp.basename(latest), file.stat().st_mtime), reverse=True)
    return [str(file) for file in files]


def _is_of_training(file: Path) -> bool:
    """Whether a file is a numbered checkpoint with the state of a training; the best ones lack the optimizer's."""
    if file.name.startswith(('best_', '.')) or not re.search(r'\d', file.stem):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            record = next(name for name in archive.namelist() if name.endswith('/data.pkl'))
            return b'message_hub' in archive.read(record)
    except Exception:  # which one depends on what is damaged, or what else it is
        return False


def is_whole(checkpoint: str | os.PathLike) -> bool:
    """Whether a checkpoint exists, is not empty and, if it is a zip file, has every record with its checksum.

    Folders (of DeepSpeed or FSDP) and files that are no zip files (of PyTorch before 1.6) have no checksums, but the
    zeros that a machine without power leaves in place of a file are none of these.
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
    """``mmengine/runner/runner.py:1679``: ``--resume`` without a checkpoint starts from random weights.

    MMAction2's tools/train.py:98 takes ``load_from`` out of the config for it, so that the command line, whose options
    are merged by then, and the file have to be asked again.
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
