"""Errors in config files are reported with file and line."""

import re

import pytest

from dyreg_mmaction.cli.configs import read_config

PURE = 'from mmengine.config import read_base\nwith read_base():\n    from .base import *\n'


@pytest.mark.parametrize(
    'files, error, file, line',
    [
        (dict(mine='a = 1\nb = c'), "NameError: name 'c' is not defined", 'mine', 2),
        (dict(mine='a, b = 1, 2\n\nc = 1 / (a - 3)'), 'ZeroDivisionError: ', 'mine', 3),
        (dict(mine='a = 1\nb = dict(\n'), "SyntaxError: '(' was never closed", 'mine', 2),
        (dict(mine="_base_ = 'base.py'\nb = 1", base='a = 1\n\nb = c'), "NameError: name 'c'", 'base', 3),
        (dict(mine="_base_ = 'base.py'\nb = 1", base='a = 1\n\nb = = c'), 'SyntaxError: invalid syntax', 'base', 3),
        (dict(mine="_base_ = 'base.py'\nb = {{_base_.c}}", base='a = 1'), "KeyError: 'c'", 'mine', None),
        (dict(mine='def f():\n    return c\n\nb = f()'), "NameError: name 'c'", 'mine', 2),
        (dict(mine="a = 1\nb = [int(c) for c in 'x']"), 'ValueError: invalid literal', 'mine', 2),
        (dict(mine="_base_ = 'base.py'", base="_base_ = 'no.py'"), 'FileNotFoundError: .*no.py', 'base', None),
        (dict(mine=f'{PURE}b = c', base='a = 1'), "NameError: name 'c'", 'mine', 4),
        (dict(mine=f'{PURE}b = 2', base='a = 1\nb = c'), "NameError: name 'c'", 'base', 2),
    ],
)
def test_error_reports_file_and_line(files, error, file, line, tmp_path):
    for name, text in files.items():
        (tmp_path / f'{name}.py').write_text(text)
    place = f'{tmp_path / file}.py' + (f', line {line}' if line else '')
    sentence = f"config '{tmp_path}/mine.py' with --cfg-options {{'a': 3}} cannot be read: "
    with pytest.raises(ValueError) as raised:
        read_config(tmp_path / 'mine.py', {'a': 3})
    assert str(raised.value).startswith(sentence) and str(raised.value).endswith(f' ({place})')
    reason = str(raised.value)[len(sentence) : -len(f' ({place})')]
    assert re.match(error.replace('(', '[(]'), reason), reason


def test_error_in_an_imported_module_reports_that_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'broken_module.py').write_text('a = 1\nb = = 2')
    (tmp_path / 'mine.py').write_text("__import__('broken_module')")
    with pytest.raises(ValueError, match=r'SyntaxError: .*\(.*broken_module.py, line 2\)$'):
        read_config(tmp_path / 'mine.py')
