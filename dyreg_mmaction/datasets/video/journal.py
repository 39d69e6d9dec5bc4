"""Checks of many videos that continue where they were interrupted."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ..parallel import map_in_processes
from .checks import Inspection, file_state

Checked = TypeVar('Checked', bound=tuple)


def check_all(
    check: Callable[[Path], Checked],
    paths: Mapping[str, Path],
    journal: Path,
    workers: int,
    kind: Callable[..., Checked] = Inspection,  # type: ignore[assignment]
) -> dict[str, Checked]:
    """Check videos; results of an earlier, perhaps interrupted call are kept for whole files that have not changed.

    Args:
        check: Checks a file or folder; of the top level of a module.
        paths: What to check, by a name without tabs and line breaks.
        journal: File with a line for each video without a problem.
        workers: Number of processes.
        kind: Makes a result, a named tuple of strings and numbers with a ``problem``, from its fields.

    Returns:
        The result of each, by name.
    """
    # before the check, so that what changes during it is read again
    states = {name: file_state(path) for name, path in paths.items()}
    found = _read(journal, states, kind)
    todo = [name for name in paths if name not in found]
    with journal.open('a', buffering=1, encoding='utf-8') as file:
        results = map_in_processes(check, [paths[name] for name in todo], workers, 'Checking videos')
        for name, result in zip(todo, results, strict=True):
            found[name] = result
            if not result.problem:  # type: ignore[attr-defined]
                file.write(f'{name}\t{states[name]}\t{json.dumps(result)}\n')
    return {name: found[name] for name in paths}


def _read(journal: Path, states: dict[str, str], kind: Callable[..., Checked]) -> dict[str, Checked]:
    found = {}
    text = journal.read_text(encoding='utf-8') if journal.is_file() else ''
    for line in text.split('\n')[:-1]:  # what follows the last line's end was cut short
        name, *fields = line.split('\t')
        if len(fields) == 2 and states.get(name) == fields[0] and fields[1].startswith('['):
            found[name] = kind(*json.loads(fields[1]))
    return found
