import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest

TOOL = Path(__file__).parents[3] / 'tools/dev/benchmarks/plot_scaling.py'


def plot(monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_plot_has_three_axes(tmp_path, monkeypatch):
    cases = [(9, 16, 224, 20), (36, 16, 224, 30), (9, 32, 224, 40), (9, 16, 448, 50)]
    rows = [dict(case=f'{n} nodes, {t} frames of {side}', ms=ms) for n, t, side, ms in cases]
    (tmp_path / 'a.json').write_text(json.dumps(dict(parts=dict(scaling=rows))))
    plot(monkeypatch, tmp_path / 'a.json', tmp_path / 'a.png')
    assert cv2.imread(str(tmp_path / 'a.png')).std() > 5


def test_other_benchmark_raises_an_error(tmp_path, monkeypatch, capsys):
    (tmp_path / 'a.json').write_text(json.dumps(dict(parts=dict(training=[]))))
    with pytest.raises(SystemExit):
        plot(monkeypatch, tmp_path / 'a.json', tmp_path / 'a.png')
    assert 'has no part scaling' in capsys.readouterr().err
