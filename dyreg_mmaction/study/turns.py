"""Train runs in turns, so that all have seen the same number of videos when the study ends."""

import time
from collections.abc import Sequence
from pathlib import Path

from .report import write_report
from .run import StudyRun


def run_study(runs: Sequence[StudyRun], folder: Path, minutes: float, metrics: list[str]) -> None:
    """Train runs in turns, one portion each, until the time is too short for another portion.

    Args:
        runs (Sequence[StudyRun]): The runs.
        folder (Path): Folder of the report, which is updated after each portion, see :func:`.write_report`.
        minutes (float): Total time of all runs.
        metrics (list[str]): Metrics of table and plot.

    Raises:
        ValueError: If a metric does not exist.
    """
    end, longest = time.monotonic() + 60 * minutes, 0.0
    while going := [run for run in runs if not run.finished]:
        if time.monotonic() + longest >= end:
            break
        began = time.monotonic()
        run = min(going, key=lambda run: run.videos)
        run.portion()
        longest = max(longest, time.monotonic() - began)
        if run.diverged:  # the other runs continue
            print(run.diverged, flush=True)
        else:
            point = run.curve[-1]
            if missing := [metric for metric in metrics if metric not in point]:
                raise ValueError(f'--metrics {missing[0]} does not exist; choose from {", ".join(point)}')
            numbers = ' '.join(f'{key} {value:.4g}' for key, value in point.items())
            print(f'{run.name} seed {run.seed}: {numbers} | {(end - time.monotonic()) / 60:.0f} min left', flush=True)
        _report(runs, folder, metrics)
    if not _report(runs, folder, metrics):
        print(f'{minutes} minutes are too short for one portion; increase --minutes')


def _report(runs: Sequence[StudyRun], folder: Path, metrics: list[str]) -> bool:
    """Write the report of all started runs. Return whether there are any."""
    begun = [run for run in runs if run.curve or run.diverged]
    if begun:
        write_report(begun, metrics, folder)
    return bool(begun)
