"""Fork processes from a test, so that they start without slow imports."""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


class Forks:
    """Run a function in one or more processes that rendezvous like those of torchrun.

    Args:
        run (Callable): The function, called without arguments. It can get the launcher from ``launcher()``.
        folder (Path): Folder for the output of the processes.
        processes (int): Number of processes.
    """

    def __init__(self, run: Callable[[], object], folder: Path, processes: int = 1):
        folder.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        environment = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE=str(processes))
        self.pids, self.folder = [], folder
        for rank in range(processes):
            pid = os.fork()
            if pid:
                self.pids.append(pid)
                continue
            code = 1
            try:
                os.environ.update(environment, RANK=str(rank), LOCAL_RANK=str(rank))
                sys.stdout = sys.stderr = open(folder / f'output{rank}.txt', 'a', buffering=1)
                run()
                code = 0
            except SystemExit as exit:
                code = exit.code
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)

    def kill(self, sign: int = signal.SIGKILL):
        """Send a signal to all processes."""
        for pid in self.pids:
            os.kill(pid, sign)

    def ended(self) -> bool:
        """Return whether all processes have ended."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return all(os.waitid(os.P_PID, pid, options) is not None for pid in self.pids)

    def wait(self) -> list[int]:
        """Return the exit codes."""
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in self.pids]

    def succeed(self):
        """Wait for all processes and check that they succeed."""
        codes = self.wait()
        assert not any(codes), [path.read_text()[-4000:] for path in sorted(self.folder.glob('output*.txt'))]


def launcher() -> str:
    """Return the launcher for tools/train.py: 'pytorch' in one of several processes."""
    return 'pytorch' if int(os.environ['WORLD_SIZE']) > 1 else 'none'
