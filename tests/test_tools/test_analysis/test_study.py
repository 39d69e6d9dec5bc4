"""The study: runs that take turns and are compared at equally many videos."""

import json
import runpy
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from study_cases import write_configs

from dyreg_mmaction.engine import PortionHook

TOOL = Path(__file__).parents[3] / 'tools/analysis/study.py'


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(TOOL))


def run_tool(monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(TOOL), run_name='__main__')
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
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


def finished(name, values, seed=0, parameters=1, diverged=''):
    """A run of so many points, of 10 videos each."""
    points = [dict(videos=10 * i, seconds=i, loss=1, **value) for i, value in enumerate(values, start=1)]
    run = dict(name=name, seed=seed, num_parameters=parameters, curve=points, videos=10 * len(points))
    return SimpleNamespace(diverged=diverged, **run)


def test_table_compares_at_equally_many_videos(tool):
    runs = [
        finished('a', [dict(acc=0.1), dict(acc=0.2), dict(acc=0.9)], parameters=7),
        finished('a', [dict(acc=0.3), dict(acc=0.4)], seed=1, parameters=7),
        finished('b', [dict(acc=0.5), dict(acc=0.6, far=0.2, shift=1.5, motion=0.5)], parameters=1234),
    ]
    text = tool['table'](runs, ['acc', 'far'])
    assert 'after 20 videos' in text and '| acc | far | loss |' in text
    assert '| a | 7 | 2 | 0.3 ± 0.14 | - | 1 ± 0 | - | - | 2 ± 0 |' in text
    assert '| b | 1,234 | 1 | 0.6 | 0.2 | 1 | 1.5 | 0.5 | 2 |' in text


class Run:
    """A run whose portions of 2 iterations take 10 seconds, with 3 videos an iteration or, called 'large', 6."""

    now = 0.0
    seed, num_parameters, diverged = 0, 1, ''

    def __init__(self, name):
        self.name, self.curve = name, []
        self.step = 12 if name == 'large' else 6

    videos = property(lambda self: self.step * len(self.curve))
    finished = property(lambda self: self.videos >= 24 or bool(self.diverged))

    def portion(self):
        Run.now += 10
        if self.name == 'wild' and self.curve:
            self.diverged = 'the loss in wild is nan'
        else:
            self.curve.append(dict(videos=self.videos + self.step, seconds=1.0, loss=1.0, acc=0.5))


def study(tool, monkeypatch, tmp_path, *names, minutes=60.0, metrics=('acc',)):
    """Videos of all points of each run after a study, and the table."""
    monkeypatch.setattr(Run, 'now', 0.0)
    monkeypatch.setattr('time.monotonic', lambda: Run.now)
    runs = [Run(name) for name in names]
    tool['run_study'](runs, Namespace(minutes=minutes, out=tmp_path, portion=2, metrics=list(metrics)))
    return {run.name: [point['videos'] for point in run.curve] for run in runs}, (tmp_path / 'study.md').read_text()


def test_no_portion_is_begun_that_would_not_end_in_time(tool, monkeypatch, tmp_path):
    assert study(tool, monkeypatch, tmp_path, 'a', minutes=38 / 60)[0] == dict(a=[6, 12, 18])


def test_turns_are_those_of_videos_whatever_the_batch(tool, monkeypatch, tmp_path):
    videos, text = study(tool, monkeypatch, tmp_path, 'small', 'large', minutes=38 / 60)
    assert videos == dict(small=[6, 12], large=[12])
    assert 'after 12 videos' in text


def test_a_run_that_diverges_stops_alone(tool, monkeypatch, tmp_path, capsys):
    videos, text = study(tool, monkeypatch, tmp_path, 'wild', 'calm')
    assert videos == dict(wild=[6], calm=[6, 12, 18, 24])
    assert '| wild | 1 | 0, 1 diverged | - |' in text and '| calm | 1 | 1 | 0.5 |' in text
    assert json.loads((tmp_path / 'study.json').read_text())[0]['diverged'] == 'the loss in wild is nan'
    assert 'the loss in wild' in capsys.readouterr().out


def test_a_metric_that_nobody_measures_is_named(tool, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match='--metrics accuracy is not measured; choose from videos, seconds, loss, acc'):
        study(tool, monkeypatch, tmp_path, 'a', metrics=['accuracy'])


def test_without_matplotlib_there_is_no_plot_but_all_else(tool, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    tool['write_report']([finished('a', [dict(acc=0.5)])], Namespace(out=tmp_path, metrics=['acc']))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['study.json', 'study.md']
    assert 'matplotlib is not installed' in capsys.readouterr().out


@pytest.mark.parametrize('option', ['--portion', '--videos', '--val-videos', '--threads'])
def test_counts_below_one_are_named(monkeypatch, capsys, option):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, 'config.py', option, 0)
    assert f'{option} 0 must be at least 1' in capsys.readouterr().err


def test_two_configs_of_one_name_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='must have different file names'):
        run_tool(monkeypatch, 'a/config.py', 'b/config.py', '--out', tmp_path / 'out')


def test_no_time_is_no_portion(tmp_path, monkeypatch, capsys):
    config = write_configs(tmp_path)['fixed']
    run_tool(monkeypatch, config, '--out', tmp_path / 'out', '--minutes', 0)
    assert 'too few for one portion' in capsys.readouterr().out
    assert not list((tmp_path / 'out').iterdir())
