"""Show progress: a bar on terminals, occasional lines in log files and notebooks."""

import atexit
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

INTERVAL = 10  # seconds between two lines

Item = TypeVar('Item')


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items and show progress and remaining time on stderr.

    Args:
        items (Iterable): Items to process. An item counts as done when the next one is requested.
        description (str): Text of the progress bar, such as 'Writing videos'.
        total (int, optional): Number of items. Defaults to ``len(items)``.

    Yields:
        Item: The items.
    """
    if total is None:
        assert isinstance(items, Sized)
        total = len(items)
    console = Console(stderr=True)
    show = _show_bar if console.is_interactive else _print_lines
    return show(items, description, total, console)


def _show_bar(items: Iterable[Item], description: str, total: int, console: Console) -> Iterator[Item]:
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=600,
        redirect_stdout=sys.stdout.isatty(),  # printed lines appear above the bar
    )
    items = iter(items)  # forks the workers of a DataLoader before the bar starts its thread
    atexit.register(bar.stop)  # restores the cursor after an error
    with bar:
        yield from bar.track(items, total, description=description)
    atexit.unregister(bar.stop)


def _print_lines(items: Iterable[Item], description: str, total: int, console: Console) -> Iterator[Item]:
    start = printed = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - printed >= INTERVAL:
            printed = now
            _print_line(description, done, total, now - start)
        yield item
    _print_line(description, total, total, time.monotonic() - start)


def _print_line(description: str, done: int, total: int, seconds: float) -> None:
    line = f'{description}: {done}/{total} ({done / max(total, 1):.0%}), {timedelta(seconds=round(seconds))} elapsed'
    if 0 < done < total:
        line += f', {timedelta(seconds=round(seconds / done * (total - done)))} left'
    print(line, file=sys.stderr, flush=True)
