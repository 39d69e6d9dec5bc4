"""tools/analysis/plot_distance.py with logs in MMEngine's format."""

import importlib.util
import json
from pathlib import Path

import cv2
import pytest

TOOL = Path(__file__).parents[3] / 'tools/analysis/plot_distance.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('plot_distance', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log(run, when, *entries):
    path = run / when / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(map(json.dumps, entries)))


def entry(step, distance):
    return {'object/dist': distance, 'object/dist_acting': distance / 2, 'step': step}


def test_resumed_run_is_one_curve(tool, tmp_path, monkeypatch):
    run = tmp_path / 'run'
    log(run, '1', entry(0, 0.2), dict(loss=1.0, step=30), entry(1, 0.19))
    log(run, '2', entry(1, 0.18), entry(2, 0.15))
    assert tool.read_curve(run, 'object/dist') == [(0, 0.2), (1, 0.18), (2, 0.15)]
    monkeypatch.setattr('sys.argv', ['tool', str(run), '--out', str(tmp_path / 'a/b.png')])
    tool.main()
    assert cv2.imread(str(tmp_path / 'a/b.png')).std() > 10


def test_truncated_line_is_ignored(tool, tmp_path):
    log(tmp_path / 'run', '1', entry(0, 0.2), entry(1, 0.1))
    (path,) = tmp_path.glob('run/1/vis_data/scalars.json')
    path.write_text(path.read_text()[:-5])
    assert tool.read_curve(tmp_path / 'run', 'object/dist') == [(0, 0.2)]


def test_run_without_metrics_raises_an_error(tool, tmp_path):
    log(tmp_path / 'run', '1', dict(loss=1.0, step=30))
    with pytest.raises(SystemExit, match='run has no object/dist in its logs; train with ObjectDistance'):
        tool.read_curve(tmp_path / 'run', 'object/dist')


def test_run_without_acting_objects_is_plotted(tool, tmp_path, monkeypatch):
    """Something-Something V2 has no annotation of acting objects."""
    log(tmp_path / 'run', '1', {'object/dist': 0.2, 'step': 1}, {'object/dist': 0.13, 'step': 2})
    monkeypatch.setattr('sys.argv', ['tool', str(tmp_path / 'run'), '--out', str(tmp_path / 'b.png')])
    tool.main()
    assert cv2.imread(str(tmp_path / 'b.png')).std() > 10
