"""The command `dyreg`."""

import importlib
import sys

import pytest

from dyreg_mmaction.cli import main as dyreg


@pytest.mark.parametrize('name', dyreg.COMMANDS)
def test_every_command_shows_its_options(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['dyreg', name, '--help'])
    with pytest.raises(SystemExit) as end:
        dyreg.main()
    assert end.value.code == 0 and capsys.readouterr().out.startswith(f'usage: dyreg {name}')


def test_command_receives_its_arguments(monkeypatch):
    seen = []
    module = importlib.import_module('dyreg_mmaction.cli.train')
    monkeypatch.setattr(module, 'main', lambda: seen.append(sys.argv))
    monkeypatch.setattr(sys, 'argv', ['dyreg', 'train', 'my config.py', '--seed', '1'])
    dyreg.main()
    assert seen == [['dyreg train', 'my config.py', '--seed', '1']]


@pytest.mark.parametrize('arguments, code', [([], None), (['--help'], None), (['trian'], 'unknown command')])
def test_commands_are_listed_without_arguments(arguments, code, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['dyreg', *arguments])
    if code:
        with pytest.raises(SystemExit, match=code):
            dyreg.main()
    else:
        dyreg.main()
    shown = capsys.readouterr().out
    assert all(name in shown for name in dyreg.COMMANDS)
