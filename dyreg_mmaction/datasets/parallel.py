"""Long work in several processes, with a progress bar."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import cv2

from dyreg_mmaction.progress import track

Task = TypeVar('Task')
Result = TypeVar('Result')


def map_in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, description: str
) -> Iterator[Result]:
    """Yield the function's result for every task, in order, showing progress and the time left.

    Ctrl-C lets the processes finish the tasks in hand and drops the others.

    Args:
        function: Of the top level of a module, as it travels to the processes.
        tasks: What to call it with.
        workers: Number of processes; 1 works in this one.
        description: What is being done, for the progress.

    Raises:
        ValueError: If `workers` is below 1.
    """
    if workers < 1:
        raise ValueError(f'workers must be 1 or more, not {workers}')
    if not tasks:
        return
    if workers == 1:
        yield from track(map(function, tasks), description, len(tasks))
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's threads do not survive a fork, and the processes share the cores
    executor = ProcessPoolExecutor(workers, initializer=_start_worker)
    try:
        results = executor.map(function, tasks, chunksize=max(1, min(32, len(tasks) // (8 * workers))))
        yield from track(results, description, len(tasks))
    finally:
        executor.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # not inherited where processes do not start by a fork, as from Python 3.14 on
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # stopping is the parent's
