"""Runs that take turns, so that all have seen equally many videos whenever the study ends."""

import time
from collections.abc import Sequence
from pathlib import Path

from .report import write_report
from .run import StudyRun


def run_study(runs: Sequence[StudyRun], folder: Path, minutes: float, metrics: list[str]) -> None:
    """Train runs in turns, a portion each, until the next portion would not fit into the time.

    Args:
        runs (Sequence[StudyRun]): The runs.
        folder (Path): Where the report is written after each portion, see :func:`.write_report`.
        minutes (float): Time for all runs together.
        metrics (list[str]): Metrics of table and plot.

    Raises:
        ValueError: If a metric is not measured.
    """
    end, longest = time.monotonic() + 60 * minutes, 0.0
    while going := [run for run in runs if not run.finished]:
        if time.monotonic() + longest >= end:
            break
        began = time.monotonic()
        run = min(going, key=lambda run: run.videos)
        run.portion()
        longest = max(longest, time.monotonic() - began)
        if run.diverged:  # the others go on
            print(run.diverged, flush=True)
        else:
            point = run.curve[-1]
            if missing := [metric for metric in metrics if metric not in point]:
                raise ValueError(f'--metrics {missing[0]} is not measured; choose from {", ".join(point)}')
            numbers = ' '.join(f'{key} {value:.4g}' for key, value in point.items())
            print(f'{run.name} seed {run.seed}: {numbers} | {(end - time.monotonic()) / 60:.0f} min left', flush=True)
        _report(runs, folder, metrics)
    if not _report(runs, folder, metrics):
        print(f'{minutes} minutes are too few for one portion')


def _report(runs: Sequence[StudyRun], folder: Path, metrics: list[str]) -> bool:
    """Report the runs that have begun; whether there are any."""
    begun = [run for run in runs if run.curve or run.diverged]
    if begun:
        write_report(begun, metrics, folder)
    return bool(begun)
