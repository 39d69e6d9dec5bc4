"""Processes started by tests."""

import contextlib
import os
import signal
import subprocess


def signal_tree(pid: int, sign: int, itself: bool = True) -> None:
    """Send a signal to the descendants of a process, also in other sessions, as torchrun starts them, and to it."""
    listed = subprocess.run(['ps', '-eo', 'pid=,ppid='], capture_output=True, text=True).stdout.split()
    children: dict[int, list[int]] = {}
    for child, parent in zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True):
        children.setdefault(parent, []).append(child)
    pids = [pid]
    for each in pids:
        pids += children.get(each, [])
    for each in reversed(pids if itself else pids[1:]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, sign)


def print_stacks(pid: int) -> None:
    """Abort the descendants of a process. Python processes with faulthandler print the stacks of their threads."""
    signal_tree(pid, signal.SIGABRT, itself=False)
