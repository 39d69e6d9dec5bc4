"""Processes started by tests."""

import contextlib
import os
import signal
import subprocess
import time


def descendants(pid: int) -> list[int]:
    """Return the descendants of a process, parents first, also those in other sessions, as torchrun starts them."""
    listed = subprocess.run(['ps', '-eo', 'pid=,ppid='], capture_output=True, text=True).stdout.split()
    children: dict[int, list[int]] = {}
    for child, parent in zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True):
        children.setdefault(parent, []).append(child)
    pids = [pid]
    for each in pids:
        pids += children.get(each, [])
    return pids[1:]


def send(pid: int, *signs: int) -> None:
    """Send signals to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        for sign in signs:
            os.kill(pid, sign)


def print_stacks(pid: int) -> None:
    """Abort the descendants of a process. Python processes with faulthandler print the stacks of their threads."""
    pids = descendants(pid)
    for each in pids:
        send(each, signal.SIGSTOP)  # otherwise they react to the end of the others
    for each in pids:
        send(each, signal.SIGABRT, signal.SIGCONT)
        time.sleep(0.3)  # they share an output file
