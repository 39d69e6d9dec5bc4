"""Resumable checks of many videos."""

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
    description: str = 'Checking videos',
) -> dict[str, Checked]:
    """Check videos, and reuse the results of earlier calls for intact files that have not changed.

    Args:
        check: Checks a file or folder; a module-level function.
        paths: Paths by name, without tabs and line breaks in the names.
        journal: File with one line per intact video.
        workers: Number of processes.
        kind: Builds a result, a named tuple of strings and numbers with a field ``problem``, from its fields.
        description: Text of the progress bar.

    Returns:
        The results by name.
    """
    # taken before the check, so that files that change during it are checked again
    states = {name: file_state(path) for name, path in paths.items()}
    found = _read(journal, states, kind)
    todo = [name for name in paths if name not in found]
    with journal.open('a', buffering=1, encoding='utf-8') as file:
        results = map_in_processes(check, [paths[name] for name in todo], workers, description)
        for name, result in zip(todo, results, strict=True):
            found[name] = result
            if not result.problem:  # type: ignore[attr-defined]
                file.write(f'{name}\t{states[name]}\t{json.dumps(result)}\n')
    return {name: found[name] for name in paths}


def _read(journal: Path, states: dict[str, str], kind: Callable[..., Checked]) -> dict[str, Checked]:
    found = {}
    text = journal.read_text(encoding='utf-8') if journal.is_file() else ''
    for line in text.split('\n')[:-1]:  # text after the last line break is an incomplete line
        name, *fields = line.split('\t')
        if len(fields) == 2 and states.get(name) == fields[0] and fields[1].startswith('['):
            found[name] = kind(*json.loads(fields[1]))
    return found
