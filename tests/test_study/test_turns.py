"""Runs take turns within the time limit. Diverged runs stop."""

import json

import pytest

from dyreg_mmaction.study import run_study


class Run:
    """Run with portions of 2 iterations and 10 seconds, and 3 videos per iteration (6 if named 'large')."""

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


def study(monkeypatch, tmp_path, *names, minutes=60.0, metrics=('acc',)):
    """Return the numbers of videos of all points by run, and the table."""
    monkeypatch.setattr(Run, 'now', 0.0)
    monkeypatch.setattr('time.monotonic', lambda: Run.now)
    runs = [Run(name) for name in names]
    run_study(runs, tmp_path, minutes, list(metrics))
    return {run.name: [point['videos'] for point in run.curve] for run in runs}, (tmp_path / 'study.md').read_text()


def test_no_portion_is_started_without_enough_time(monkeypatch, tmp_path):
    assert study(monkeypatch, tmp_path, 'a', minutes=38 / 60)[0] == dict(a=[6, 12, 18])


def test_turns_are_by_number_of_videos(monkeypatch, tmp_path):
    videos, text = study(monkeypatch, tmp_path, 'small', 'large', minutes=38 / 60)
    assert videos == dict(small=[6, 12], large=[12])
    assert 'after 12 videos' in text


def test_diverged_run_does_not_stop_others(monkeypatch, tmp_path, capsys):
    videos, text = study(monkeypatch, tmp_path, 'wild', 'calm')
    assert videos == dict(wild=[6], calm=[6, 12, 18, 24])
    assert '| wild | 1 | 0, 1 diverged | - |' in text and '| calm | 1 | 1 | 0.5 |' in text
    assert json.loads((tmp_path / 'study.json').read_text())[0]['diverged'] == 'the loss in wild is nan'
    assert 'the loss in wild' in capsys.readouterr().out


def test_unknown_metric_raises_an_error(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match='--metrics accuracy does not exist; choose from videos, seconds, loss, acc'):
        study(monkeypatch, tmp_path, 'a', metrics=['accuracy'])
