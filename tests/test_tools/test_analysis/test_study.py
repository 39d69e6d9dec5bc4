"""Command line of a study: resuming and errors."""

import fcntl
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from study_cases import write_configs

from dyreg_mmaction.engine import PortionHook

TOOL = Path(__file__).parents[3] / 'tools/analysis/study.py'


def run_tool(monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(TOOL), run_name='__main__')
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_same_command_continues(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'out'
    configs = write_configs(tmp_path).values()
    args = [*configs, '--out', out, '--portion', 1, '--val-videos', 5, '--seeds', 0, 1, '--videos', 6, '--threads', 1]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr('dyreg_mmaction.engine.hooks.portion.PortionHook.before_train', interrupt_at_second_portion)
        run_tool(patch, *args)
    before = json.loads((out / 'study.json').read_text())
    run_tool(monkeypatch, *args)
    after = json.loads((out / 'study.json').read_text())
    assert [(run['name'], run['seed']) for run in after] == [(n, s) for s in (0, 1) for n in ('fixed', 'dynamic')]
    assert [len(run['curve']) for run in before] == [1] * 4 and [len(run['curve']) for run in after] == [2] * 4
    assert all(new['curve'][:1] == old['curve'] for new, old in zip(after, before, strict=True))
    assert all('shift' in run['curve'][-1] for run in after)
    assert (out / 'study.png').stat().st_size > 0
    assert not list(out.rglob('*.part'))
    assert 'min left' in capsys.readouterr().out


def interrupt_at_second_portion(hook, runner, stock=PortionHook.before_train):
    if runner.iter:
        raise KeyboardInterrupt
    stock(hook, runner)


@pytest.mark.parametrize('option', ['--portion', '--videos', '--val-videos', '--threads'])
def test_counts_below_one_raise_errors(monkeypatch, capsys, option):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, 'config.py', option, 0)
    assert f'{option} 0 must be at least 1' in capsys.readouterr().err


def test_seed_given_twice_raises_an_error(monkeypatch, capsys):
    """It would be counted as two seeds without any deviation."""
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, 'config.py', '--seeds', 0, 1, 0)
    assert '--seeds 0 1 0 must differ from each other' in capsys.readouterr().err


def test_configs_of_the_same_name_raise_an_error(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match='must have different file names'):
        run_tool(monkeypatch, 'a/config.py', 'b/config.py', '--out', tmp_path / 'out')


def test_too_little_time_for_a_portion(tmp_path, monkeypatch, capsys):
    config = write_configs(tmp_path)['fixed']
    run_tool(monkeypatch, config, '--out', tmp_path / 'out', '--minutes', 0)
    assert 'too short for one portion' in capsys.readouterr().out
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['writer.json']


def test_folder_of_a_running_study_raises_an_error(tmp_path, monkeypatch):
    """Two studies would continue each other's checkpoints with the wrong videos."""
    (tmp_path / 'out').mkdir()
    with open(tmp_path / 'out/writer.json', 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="out' is in use by another process; .*, or choose another --out"):
            run_tool(monkeypatch, write_configs(tmp_path)['fixed'], '--out', tmp_path / 'out')
