"""Checkpoint files of MMEngine are written atomically, and old ones are removed after new ones are written."""

import functools
from collections.abc import Callable
from typing import Any

from .replacing import wrap_in_mmengine


def write_checkpoints_whole() -> None:
    """A process killed while it writes a checkpoint leaves a truncated file. Checkpoints are now written atomically."""
    import mmengine.runner  # noqa: F401

    from dyreg_mmaction.files import atomic_write

    def wrap(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def save_checkpoint(
            content: dict, filename: str, file_client_args: Any = None, backend_args: Any = None
        ) -> None:
            if '://' in filename or file_client_args or backend_args:
                return stock(content, filename, file_client_args, backend_args)
            with atomic_write(filename, sync=True, concurrent=False) as part:
                stock(content, str(part))

        return save_checkpoint

    wrap_in_mmengine('save_checkpoint', wrap)


class _RemoveLater:
    """File backend that records removals instead of performing them."""

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
    """CheckpointHook removes the old checkpoint before it writes the new one. It now removes it afterwards."""
    from mmengine.hooks import CheckpointHook

    def removing_last(stock: Callable) -> Callable:
        @functools.wraps(stock)
        def save(self: Any, *args: Any, **kwargs: Any) -> None:
            if not hasattr(self, 'file_backend'):  # validation without training saves nothing
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
                if path not in written:  # the new checkpoint may have the same name
                    remove(path)

        return save

    CheckpointHook._save_checkpoint_with_step = removing_last(CheckpointHook._save_checkpoint_with_step)
    CheckpointHook._save_best_checkpoint = removing_last(CheckpointHook._save_best_checkpoint)
