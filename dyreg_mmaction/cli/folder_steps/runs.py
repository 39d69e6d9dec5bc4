"""Decide whether to continue a run or to start a new one."""

import csv
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from dyreg_mmaction.files import atomic_write

INPUTS = ('config.py', 'classes.txt', 'train.txt', 'val.txt', 'test.txt')


def digest(*texts: str) -> str:
    """Return a hash of texts."""
    return hashlib.blake2b('\0'.join(texts).encode(), digest_size=12).hexdigest()


def file_digest(out: Path, names: tuple[str, ...]) -> str:
    """Return a hash of the content of files. Missing files count as empty."""
    return digest(*((out / name).read_text(encoding='utf-8') if (out / name).is_file() else '' for name in names))


def keep_config(out: Path, cause: str, derive: Callable[[], str]) -> str:
    """Write config.py if its inputs have changed, but keep changes of the user.

    Args:
        out (Path): Folder of the config.
        cause (str): Hash of the inputs of the config: options and lists, but not the hardware.
        derive (Callable): Returns the text of the config.

    Returns:
        str: Message to print.
    """
    config, record = out / 'config.py', out / '.config.json'
    known = json.loads(record.read_text(encoding='utf-8')) if record.is_file() else {}
    if config.is_file():
        if digest(config.read_text(encoding='utf-8')) != known.get('written'):
            return f'{config} was edited and is kept; delete it to derive it again'
        if cause == known.get('cause'):
            return f'{config} is unchanged: neither videos nor options have changed'
    text = derive()
    for path, content in ((config, text), (record, json.dumps(dict(cause=cause, written=digest(text))))):
        with atomic_write(path) as file:
            file.write_text(content, encoding='utf-8')
    return f'wrote {config}'


def _used_videos(table: Path) -> list[str]:
    """Return the properties of all videos that have a split, so that a replaced file is noticed."""
    if not table.is_file():
        return []
    with table.open(encoding='utf-8', newline='') as file:
        return ['\t'.join(row.values()) for row in csv.DictReader(file) if row['split']]


def open_run(out: Path) -> tuple[Path, bool]:
    """Return the work dir for the current config and lists: the last one if it has the same, otherwise a new one.

    Returns:
        tuple[Path, bool]: The work dir, and whether it is new.
    """
    numbers = [int(path.name[4:]) for path in out.glob('run_*') if re.fullmatch(r'run_\d+', path.name)]
    inputs = digest(file_digest(out, INPUTS), *_used_videos(out / 'videos.csv'))
    last = out / f'run_{max(numbers, default=0)}'
    record = last / 'inputs.txt'
    if record.is_file() and record.read_text(encoding='utf-8') == inputs:
        return last, False
    run = out / f'run_{max(numbers, default=0) + 1}'
    run.mkdir()
    (run / 'inputs.txt').write_text(inputs, encoding='utf-8')
    return run, True
