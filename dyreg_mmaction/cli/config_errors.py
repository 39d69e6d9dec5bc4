"""Errors in config files, reported with file and line."""

import os.path as osp
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

READERS = ('_file2dict', '_is_lazy_import', '_parse_lazy_import')  # methods of Config that read a file or its base


@contextmanager
def named_errors(config: str) -> Iterator[None]:
    """Turn an error in a config into one sentence with the file, which may be a base, and the line.

    Args:
        config (str): Description of the config for the message.

    Yields:
        None

    Raises:
        ValueError: If the config cannot be read.
    """
    try:
        yield
    except Exception as error:  # a config may raise any error
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f'{config} cannot be read: {type(error).__name__}: {reason}{_place(error)}') from error


def _place(error: Exception) -> str:
    """Return file and line of a config that raised the error, '' if unknown."""
    file, line = '', None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name in READERS and osp.isfile(read := frame.f_locals.get('filename', '')):
            file, line = read, None
        elif frame.f_code.co_filename == file:  # code of the file
            line = number
    if isinstance(error, SyntaxError):
        line = error.lineno
        if error.filename not in (None, '<unknown>', file):  # raised in an imported module
            file = error.filename
    return f' ({file}, line {line})' if line else f' ({file})' if file else ''
