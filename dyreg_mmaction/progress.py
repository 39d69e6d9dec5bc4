"""Progress of long work: a bar on a terminal, a line now and then in log files and notebooks."""

import atexit
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 10  # seconds from one line to the next

Item = TypeVar('Item')


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items and show on stderr how many are done and how long the rest will take.

    Args:
        items: What to work on; an item is done when the next one is requested.
        description: What is being done, such as 'Writing videos'.
        total: Number of items; by default their length.
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
        redirect_stdout=sys.stdout.isatty(),  # prints appear above the bar; those to a file stay there
    )
    items = iter(items)  # starts the workers of a data loader, before the bar's thread as they are forked
    atexit.register(bar.stop)  # shows the cursor again when an error ends the program
    with bar:
        yield from bar.track(items, total, description=description)
    atexit.unregister(bar.stop)


def _print_lines(items: Iterable[Item], description: str, total: int, console: Console) -> Iterator[Item]:
    start = printed = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - printed >= EVERY:
            printed = now
            _print_line(description, done, total, now - start)
        yield item
    _print_line(description, total, total, time.monotonic() - start)


def _print_line(description: str, done: int, total: int, seconds: float) -> None:
    line = f'{description}: {done}/{total} ({done / max(total, 1):.0%}), {timedelta(seconds=round(seconds))} elapsed'
    if 0 < done < total:
        line += f', {timedelta(seconds=round(seconds / done * (total - done)))} left'
    print(line, file=sys.stderr, flush=True)
