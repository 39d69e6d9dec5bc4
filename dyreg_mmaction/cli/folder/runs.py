"""Which run of a folder of videos continues, and when a new one begins."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from dyreg_mmaction.files import atomic_write

INPUTS = ('config.py', 'classes.txt', 'train.txt', 'val.txt', 'test.txt')


def digest(*texts: str) -> str:
    """A short name for some texts."""
    return hashlib.blake2b('\0'.join(texts).encode(), digest_size=12).hexdigest()


def file_digest(out: Path, names: tuple[str, ...]) -> str:
    """A short name for the content of files, of which some may be missing."""
    return digest(*((out / name).read_text(encoding='utf-8') if (out / name).is_file() else '' for name in names))


def keep_config(out: Path, cause: str, derive: Callable[[], str]) -> str:
    """Write config.py where what it follows from has changed since it was written, never over a user's changes.

    Args:
        out: Folder of the config.
        cause: A digest of what the config follows: options and lists, but not the state of the machine.
        derive: Returns the text of the config.

    Returns:
        What to print.
    """
    config, record = out / 'config.py', out / '.config.json'
    known = json.loads(record.read_text(encoding='utf-8')) if record.is_file() else {}
    if config.is_file():
        if digest(config.read_text(encoding='utf-8')) != known.get('written'):
            return f'{config} was edited and is used as it is; delete it to have it derived again'
        if cause == known.get('cause'):
            return f'{config} is that of the last call: neither videos nor options have changed'
    text = derive()
    for path, content in ((config, text), (record, json.dumps(dict(cause=cause, written=digest(text))))):
        with atomic_write(path) as part:
            part.write_text(content, encoding='utf-8')
    return f'wrote {config}'


def open_run(out: Path) -> tuple[Path, bool]:
    """The work dir for the config and the lists of a folder: the last one if it had the same, otherwise a new one.

    Returns:
        tuple[Path, bool]: The work dir, and whether it is new.
    """
    numbers = [int(path.name[4:]) for path in out.glob('run_*') if re.fullmatch(r'run_\d+', path.name)]
    inputs = file_digest(out, INPUTS)
    last = out / f'run_{max(numbers, default=0)}'
    record = last / 'inputs.txt'
    if record.is_file() and record.read_text(encoding='utf-8') == inputs:
        return last, False
    run = out / f'run_{max(numbers, default=0) + 1}'
    run.mkdir()
    (run / 'inputs.txt').write_text(inputs, encoding='utf-8')
    return run, True
