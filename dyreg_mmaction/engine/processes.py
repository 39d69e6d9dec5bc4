"""One writer for each work dir, and no worker without its launcher."""

import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
_locks: dict[str, object] = {}  # open for as long as the process lives


def is_first_process(launcher: str) -> bool:
    """Whether this process, started by ``launcher`` ('none', 'pytorch', 'slurm' or 'mpi'), has rank 0."""
    return launcher == 'none' or int(os.environ.get(RANKS[launcher], 0)) == 0


def hold_work_dir(work_dir: str) -> None:
    """Make this process the only one that writes to ``work_dir``, until it ends, however it ends.

    The lock is the operating system's, on ``work_dir/writer.json``. Where there are no such locks (Windows), nothing is
    locked.

    Raises:
        RuntimeError: If another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        return
    folder = Path(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = str((folder / 'writer.json').resolve())
    if path in _locks:
        return
    file = open(path, 'a+')
    try:
        # not flock: a lock by that is inherited by data loading workers, which outlive a killed trainer by seconds
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        raise RuntimeError(
            f'work_dir={work_dir!r} is being written to by {_writer(file.read())}; wait for its end, end it, or '
            'choose another --work-dir'
        ) from error
    file.truncate(0)
    file.write(json.dumps(dict(pid=os.getpid(), host=socket.gethostname())))
    file.flush()
    _locks[path] = file


def _writer(text: str) -> str:
    try:
        writer = json.loads(text)
        return f'process {writer["pid"]} on {writer["host"]}'
    except (ValueError, KeyError, TypeError):  # it has not written yet
        return 'another process'


def end_with_launcher(interval: float = 1) -> None:
    """Have this process end as soon as the one that has started it is gone, killed without a chance to say so.

    Args:
        interval (float): Seconds between two looks.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(interval)
        os._exit(1)  # what is saved is whole, and collectives without the others would hang

    threading.Thread(target=watch, name='watch of the launcher', daemon=True).start()


@contextmanager
def one_of_several(launcher: str) -> Iterator[None]:
    """Be one of the processes of ``launcher``: end with it, and end at once, with a reason, when something is raised.

    An interpreter that ends in good order waits for workers and for processes that are gone, up to half a minute; the
    others wait for it, and those of a next start do not find each other (gloo, torch 2.13). What was raised is printed
    in one piece, as all write to one screen, and reported to torchrun, whose last words name it. Nothing is done where
    ``launcher`` is 'none'.
    """
    if launcher == 'none':
        yield
        return
    end_with_launcher()
    try:
        yield
    except BaseException as error:
        code = 1
        if not isinstance(error, SystemExit):
            from torch.distributed.elastic.multiprocessing.errors import ErrorHandler

            ErrorHandler().record_exception(error)
            rank = os.environ.get(RANKS[launcher])
            sys.stderr.write(f'The process of rank {rank} failed:\n{traceback.format_exc()}')
        elif isinstance(error.code, int):
            code = error.code
        else:
            print(error.code, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
