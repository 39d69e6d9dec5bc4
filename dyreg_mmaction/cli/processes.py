"""One writer for each work dir, and no worker without its launcher."""

import fcntl
import json
import os
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
PARENTS = dict(pytorch='TORCHELASTIC_RUN_ID', mpi='OMPI_COMM_WORLD_RANK')  # set where the parent is the launcher
_locks: dict[str, tuple[TextIO, float | None]] = {}  # open for as long as the process lives


def is_first_process(launcher: str) -> bool:
    """Whether this process, started by ``launcher`` ('none', 'pytorch', 'slurm' or 'mpi'), has rank 0."""
    return launcher == 'none' or int(os.environ.get(RANKS[launcher], 0)) == 0


def is_restarted() -> bool:
    """Whether torchrun has started this process in place of one that failed."""
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0) > 0


def hold_work_dir(work_dir: str) -> float | None:
    """Make this process the only one that writes to ``work_dir``, until it ends, however it ends.

    The lock is the operating system's (flock), on ``work_dir/writer.json``, and no child process inherits it. Without
    locks on that file system there is a warning.

    Returns:
        float: When this run began, by the clock of the file system; a restarted process belongs to the run of the
            process whose place it takes. None if ``writer.json`` cannot be written.

    Raises:
        RuntimeError: If another process holds it, or it cannot be created.
    """
    folder = Path(work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(f'work_dir={work_dir!r} cannot be created: {error}; choose another --work-dir') from error
    path = str((folder / 'writer.json').resolve())
    if path in _locks:
        return _locks[path][1]
    try:
        file = open(path, 'a+')
        _lock(file, work_dir)
        _locks[path] = file, None
        _locks[path] = file, _begin(file)
    except OSError as error:
        warnings.warn(f'{path} cannot be written: {error}; see that no other training uses this folder', stacklevel=2)
    return _locks[path][1] if path in _locks else None


def _lock(file: TextIO, work_dir: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # the latter on some file systems
        file.seek(0)
        raise RuntimeError(
            f'work_dir={work_dir!r} is being written to by {_writer(file.read())}; wait for its end, end it, or '
            'choose another --work-dir'
        ) from error
    except OSError as error:
        warnings.warn(
            f'work_dir={work_dir!r} cannot be locked: {error}; see that no other training uses it', stacklevel=3
        )


def _begin(file: TextIO) -> float:
    """Write who holds the lock and when its run began, which is returned."""
    file.seek(0)
    try:
        writer = json.loads(file.read())
        before = writer['since'] if writer['launch'] == _launch() else None
    except (ValueError, KeyError, TypeError):  # it is new, of an older version, or was cut by a kill
        before = None
    file.truncate(0)
    os.utime(file.fileno())
    since = os.fstat(file.fileno()).st_mtime
    if is_restarted() and before is not None:
        since = before
    file.write(json.dumps(dict(pid=os.getpid(), host=socket.gethostname(), launch=_launch(), since=since)))
    file.flush()
    return since


def _launch() -> str:
    """A name for the call of torchrun that this process belongs to, or else for its parent process."""
    run = os.environ.get('TORCHELASTIC_RUN_ID', 'none')  # 'none' with --master-addr, where rank 0 does not move
    return run if run != 'none' else f'{socket.gethostname()}:{os.getppid()}'


def _writer(text: str) -> str:
    try:
        writer = json.loads(text)
        return f'process {writer["pid"]} on {writer["host"]}'
    except (ValueError, KeyError, TypeError):  # it has not written yet
        return 'another process'


def _leave_locks_to_parent() -> None:
    """Data loading workers outlive a killed trainer by seconds."""
    for file, _ in _locks.values():
        file.close()
    _locks.clear()


os.register_at_fork(after_in_child=_leave_locks_to_parent)


def end_with_launcher(interval: float = 1) -> None:
    """Exit as soon as the parent process is gone, even if it was killed with SIGKILL.

    Args:
        interval (float): Seconds between two checks.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(interval)
        # what is saved is whole, and collectives without the others would hang
        sys.stderr.write(f'Process {os.getpid()} ends, as its launcher, process {launcher}, is gone.\n')
        sys.stderr.flush()
        os._exit(1)

    threading.Thread(target=watch, name='watch of the launcher', daemon=True).start()


@contextmanager
def one_of_several(launcher: str) -> Iterator[None]:
    """Be one of the processes of ``launcher``: end with it, and end at once, with a reason, when something is raised.

    A normal shutdown can block up to 30 s on workers and dead peers, so that other ranks hang and a restart cannot
    rendezvous (gloo, torch 2.13). What was raised is printed in one piece, as all write to one screen, and reported to
    torchrun, whose last words name it. Nothing is done where ``launcher`` is 'none'.
    """
    if launcher == 'none':
        yield
        return
    if PARENTS.get(launcher, '') in os.environ:  # else the parent may be a shell, which the training may outlive
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
        elif error.code is None:
            code = 0
        elif isinstance(error.code, int):
            code = error.code & 0xFF
        else:
            print(error.code, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
