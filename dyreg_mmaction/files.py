"""Write files atomically."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | os.PathLike, sync: bool = False, concurrent: bool = True) -> Iterator[Path]:
    """Write a file atomically: at any time ``path`` is either the old or the complete new file.

    The context yields a temporary path in the same folder. It replaces ``path`` if the context ends without an error.

    .. code:: python

        with atomic_write('results.json') as file:
            file.write_text(json.dumps(results))

    The temporary file is hidden and ends in ``.part``. It is removed after an error. The permissions of ``path`` are
    kept.

    Args:
        path (str | os.PathLike): File to write.
        sync (bool): Whether to flush file and folder to the disk, so that the file survives a power failure.
        concurrent (bool): Whether several processes may write ``path`` at the same time. If False, the temporary name
            is fixed, so the next write replaces the file that a killed process left.

    Yields:
        Path: The temporary path.
    """
    path = Path(path)
    part = path.with_name(f'.{path.name}.{os.getpid()}.part' if concurrent else f'.{path.name}.part')
    try:
        yield part
        if path.exists():
            shutil.copymode(path, part)
        if sync:
            _flush(part)
        os.replace(part, path)
        if sync and os.name == 'posix':
            _flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
