"""Curves of the region generator for the released form and one with changes."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]
TOOL = ROOT / 'tools/analysis/generator_dynamics.py'
CONFIG = ROOT / 'configs/multisyncmnist/small/cnn_dyreg-released.py'


def run_tool(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(TOOL), run_name='__main__')
    finally:
        torch.set_num_threads(threads)


def test_curves_of_two_forms(tmp_path, monkeypatch):
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    out, forms = tmp_path / 'out.json', ('released', 'all changes, no GRU')
    run_tool(monkeypatch, CONFIG, '--forms', *forms, '--iterations', 4, '--interval', 2, '--out', out)
    content = json.loads(out.read_text())
    assert [run['form'] for run in content['runs']] == list(forms)
    released, changed = (run['curve'] for run in content['runs'])
    assert [point['iteration'] for point in released] == [0, 2]
    assert 0.2 < released[0]['dependence'] < 1 and changed[0]['dependence'] == pytest.approx(1, abs=0.05)
    assert (
        changed[-1]['half_size']
        == pytest.approx(0.2)
        != released[0]['half_size']
        == pytest.approx(1 / 6 + 2 / 8, rel=1e-3)
    )
    # with alpha = 0 and a residual of 0 nothing has a gradient in the first iteration; with W = 0 all of W has
    gradients = {name: [run[0][f'gradient of {name}'] for run in (released, changed)] for name in ('f', 'W', 'alpha')}
    assert gradients['W'][0] == gradients['alpha'][0] == gradients['f'][0] == gradients['f'][1] == 0
    assert gradients['W'][1] > 0 and released[1]['gradient of f'] > 0 and changed[1]['gradient of GRU'] == 0
    assert out.with_suffix('.png').stat().st_size > 10_000


def test_counts_below_one_are_named(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, CONFIG, '--iterations', 0)
    assert '--iterations and --interval must be at least 1' in capsys.readouterr().err
