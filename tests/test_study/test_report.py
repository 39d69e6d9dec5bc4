"""Runs are compared at the same number of videos."""

import sys
from types import SimpleNamespace

from dyreg_mmaction.study import write_report
from dyreg_mmaction.study.report import table


def finished(name, values, seed=0, parameters=1, diverged=''):
    """A run with a number of points, each of 10 videos."""
    points = [dict(videos=10 * i, seconds=i, loss=1, **value) for i, value in enumerate(values, start=1)]
    run = dict(name=name, seed=seed, num_parameters=parameters, curve=points, videos=10 * len(points))
    return SimpleNamespace(diverged=diverged, **run)


def test_table_compares_at_the_same_number_of_videos():
    runs = [
        finished('a', [dict(acc=0.1), dict(acc=0.2), dict(acc=0.9)], parameters=7),
        finished('a', [dict(acc=0.3), dict(acc=0.4)], seed=1, parameters=7),
        finished('b', [dict(acc=0.5), dict(acc=0.6, far=0.2, shift=1.5, motion=0.5)], parameters=1234),
    ]
    text = table(runs, ['acc', 'far'])
    assert 'after 20 videos' in text and '| acc | far | loss |' in text
    assert '| a | 7 | 2 | 0.3 ± 0.14 | - | 1 ± 0 | - | - | 2 ± 0 |' in text
    assert '| b | 1,234 | 1 | 0.6 | 0.2 | 1 | 1.5 | 0.5 | 2 |' in text


def test_report_without_matplotlib_has_no_plot(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    write_report([finished('a', [dict(acc=0.5)])], ['acc'], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['study.json', 'study.md']
    assert 'matplotlib is not installed' in capsys.readouterr().out
