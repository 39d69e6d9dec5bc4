"""Long tasks in several processes, with a progress bar."""

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
    """Yield the function's result for every task in order, and show the progress and the remaining time.

    On Ctrl-C the processes finish their current tasks and drop the others.

    Args:
        function: A module-level function, because it is pickled.
        tasks: Arguments of the calls.
        workers: Number of processes; 1 runs the tasks in this process.
        description: Text of the progress bar.

    Raises:
        ValueError: If `workers` is below 1.
    """
    if workers < 1:
        raise ValueError(f'workers is {workers}, but must be at least 1')
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
    cv2.setNumThreads(1)  # not inherited unless processes are forked, as from Python 3.14 on
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # the parent stops the workers
