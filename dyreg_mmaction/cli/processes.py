"""Lock work dirs, and end processes together with their launcher."""

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
PARENTS = dict(pytorch='TORCHELASTIC_RUN_ID', mpi='OMPI_COMM_WORLD_RANK')  # set if the parent process is the launcher
_locks: dict[str, tuple[TextIO, float | None]] = {}  # open until the process ends


def is_first_process(launcher: str) -> bool:
    """Return whether this process, started by ``launcher``, has rank 0.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
    """
    return launcher == 'none' or int(os.environ.get(RANKS[launcher], 0)) == 0


def is_restarted() -> bool:
    """Return whether torchrun started this process to replace a failed one."""
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0) > 0


def hold_work_dir(work_dir: str, option: str = '--work-dir') -> float | None:
    """Lock ``work_dir`` until this process ends.

    The lock is an flock on ``work_dir/writer.json``. Child processes do not inherit it. If the file system does not
    support locks, a warning is issued.

    Args:
        work_dir (str): The folder.
        option (str): Option of the command line that sets it, for error messages.

    Returns:
        float: Start time of this run by the clock of the file system. A restarted process belongs to the run of the
            process that it replaces. None if ``writer.json`` cannot be written.

    Raises:
        RuntimeError: If another process holds the lock, or the folder cannot be created.
    """
    folder = Path(work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(f'work_dir={work_dir!r} cannot be created: {error}; choose another {option}') from error
    path = str((folder / 'writer.json').resolve())
    if path in _locks:
        return _locks[path][1]
    try:
        file = open(path, 'a+')
        _lock(file, work_dir, option)
        _locks[path] = file, None
        _locks[path] = file, _begin(file)
    except OSError as error:
        warnings.warn(
            f'{path} cannot be written: {error}; make sure that no other training uses this folder', stacklevel=2
        )
    return _locks[path][1] if path in _locks else None


def _lock(file: TextIO, work_dir: str, option: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # some file systems raise the latter
        file.seek(0)
        raise RuntimeError(
            f'work_dir={work_dir!r} is in use by {_writer(file.read())}; wait until it ends, stop it, or '
            f'choose another {option}'
        ) from error
    except OSError as error:
        warnings.warn(
            f'work_dir={work_dir!r} cannot be locked: {error}; make sure that no other training uses it', stacklevel=3
        )


def _begin(file: TextIO) -> float:
    """Write process and start time of the run to ``writer.json``. Return the start time."""
    file.seek(0)
    try:
        writer = json.loads(file.read())
        before = writer['since'] if writer['launch'] == _launch() else None
    except (ValueError, KeyError, TypeError):  # new, written by an older version, or truncated
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
    """Return an identifier of the torchrun call of this process or, without torchrun, of its parent process."""
    run = os.environ.get('TORCHELASTIC_RUN_ID', 'none')  # 'none' with --master-addr, where rank 0 stays on its host
    return run if run != 'none' else f'{socket.gethostname()}:{os.getppid()}'


def _writer(text: str) -> str:
    try:
        writer = json.loads(text)
        return f'process {writer["pid"]} on {writer["host"]}'
    except (ValueError, KeyError, TypeError):  # not written yet
        return 'another process'


def _leave_locks_to_parent() -> None:
    """Release the locks in child processes: data loading workers outlive a killed trainer by seconds."""
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
        # checkpoints are written atomically, and collectives would hang without the other processes
        sys.stderr.write(f'Process {os.getpid()} exits because its launcher, process {launcher}, has ended.\n')
        sys.stderr.flush()
        os._exit(1)

    threading.Thread(target=watch, name='watch of the launcher', daemon=True).start()


@contextmanager
def one_of_several(launcher: str) -> Iterator[None]:
    """Run a process of ``launcher``: exit when the launcher ends, and exit at once when an error is raised.

    A normal shutdown can block up to 30 s on workers and dead peers, so other ranks hang and a restart cannot
    rendezvous (gloo, torch 2.13). The traceback is printed with one write, because all processes share the terminal,
    and reported to torchrun, which repeats it at the end.

    Args:
        launcher (str): 'pytorch', 'slurm' or 'mpi'. With 'none' the context does nothing.

    Yields:
        None
    """
    if launcher == 'none':
        yield
        return
    if PARENTS.get(launcher, '') in os.environ:  # otherwise the parent may be a shell that may end before the training
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
