"""Atomic writes: a file is the old one or the complete new one, whatever happens meanwhile."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | os.PathLike, sync: bool = False, concurrent: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces it when the context ends without an error.

    .. code:: python

        with atomic_write('results.json') as file:
            file.write_text(json.dumps(results))

    The temporary file is hidden and ends in ``.part``. It is removed after an error. The permissions of a file that is
    replaced are kept.

    Args:
        path (str | os.PathLike): The file to write.
        sync (bool): Whether to flush file and folder to the disk, so that the file also survives a loss of power.
        concurrent (bool): Whether several processes may write ``path`` at once. Otherwise the temporary name is always
            the same, so that the next write replaces what a killed process has left.

    Yields:
        Path: The temporary path, in the same folder.
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
