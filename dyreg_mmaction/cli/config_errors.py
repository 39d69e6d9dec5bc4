"""Errors in config files, named by file and line."""

import os.path as osp
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

READERS = ('_file2dict', '_is_lazy_import', '_parse_lazy_import')  # of MMEngine's Config, for a file or a base of it


@contextmanager
def named_errors(config: str) -> Iterator[None]:
    """Raise what reading a config raises as one sentence that names the file, a base perhaps, and the line.

    Raises:
        ValueError: If the config cannot be read.
    """
    try:
        yield
    except Exception as error:  # whatever its Python says
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f'{config} cannot be read: {type(error).__name__}: {reason}{_place(error)}') from error


def _place(error: Exception) -> str:
    """Where a config file raised the error; '' if none did."""
    file, line = '', None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name in READERS and osp.isfile(read := frame.f_locals.get('filename', '')):
            file, line = read, None
        elif frame.f_code.co_filename == file:  # what the file executes
            line = number
    if isinstance(error, SyntaxError):
        line = error.lineno
        if error.filename not in (None, '<unknown>', file):  # of a module that it imports
            file = error.filename
    return f' ({file}, line {line})' if line else f' ({file})' if file else ''
