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


def run_forms(monkeypatch, out, *forms, iterations=3, seeds=(0,)):
    lengths = ('--iterations', iterations, '--interval', 2, '--val-videos', 20)
    run_tool(monkeypatch, CONFIG, '--forms', *forms, '--seeds', *seeds, *lengths, '--out', out)
    return json.loads(out.read_text())


def test_curves_of_two_forms(tmp_path, monkeypatch):
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    out, forms = tmp_path / 'new/out.json', ('released', 'all')
    content = run_forms(monkeypatch, out, *forms, iterations=4)
    assert [run['form'] for run in content['runs']] == list(forms)
    released, changed = (run['curve'] for run in content['runs'])
    assert released['iteration'] == [0, 2, 3]
    assert 0.2 < released['dependence'][0] < 1 and changed['dependence'][0] == pytest.approx(1, abs=0.05)
    assert changed['half_size'][-1] == pytest.approx(0.2)
    assert released['half_size'][0] == pytest.approx(1 / 6 + 2 / 8, rel=1e-3)
    # with alpha = 0 and a residual of 0 nothing has a gradient in the first iteration; with W = 0 all of W has
    gradients = {
        name: [curve[f'gradient of {name}'][0] for curve in (released, changed)] for name in ('f', 'W', 'alpha')
    }
    assert gradients['W'][0] == gradients['alpha'][0] == gradients['f'][0] == gradients['f'][1] == 0
    assert gradients['W'][1] > 0 and released['gradient of f'][1] > 0 and changed['gradient of GRU'][1] == 0
    assert set(content['runs'][0]['metrics']) >= {'acc/top1', 'object/dist_r', 'object/dist_other'}
    assert content['columns'][0] == 'form' and [row[0] for row in content['rows']] == list(forms)
    assert out.with_suffix('.png').stat().st_size > 10_000


def test_interrupted_measurement_continues(tmp_path, monkeypatch):
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    out = tmp_path / 'out.json'
    first = run_forms(monkeypatch, out, 'released')['runs'][0]
    content = run_forms(monkeypatch, out, 'released', 'learning rate x 10', seeds=(0, 1))
    runs = content['runs']
    assert runs[0] == first and [(run['form'], run['seed']) for run in runs[1:]] == [
        ('learning rate x 10', 0),
        ('released', 1),
        ('learning rate x 10', 1),
    ]
    # the generator moves ten times as far in the first step, everything else starts equal
    assert runs[1]['curve']['loss'][0] == first['curve']['loss'][0]
    assert runs[1]['curve']['gradient of W'] != first['curve']['gradient of W']
    assert content['seeds'] == '0, 1' and ' ± ' in content['rows'][0][1]
    with pytest.raises(SystemExit, match=r"'iterations': 3.*choose another --out"):
        run_forms(monkeypatch, out, 'released', iterations=5)


def test_table_of_the_docs_is_that_of_its_curves():
    content = json.loads((ROOT / 'results/generator_dynamics.json').read_text())
    table = runpy.run_path(str(TOOL))['table'](content['runs'])
    assert len(table['rows']) > 10 and table == {key: content[key] for key in table}


def test_counts_below_one_are_named(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, CONFIG, '--iterations', 0)
    assert '--iterations, --interval and --val-videos must be at least 1' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--seeds', '--forms'])
def test_run_that_is_given_twice_raises_an_error(monkeypatch, capsys, option):
    value = 0 if option == '--seeds' else 'released'
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, CONFIG, option, value, value)
    assert f'{option} must differ from each other' in capsys.readouterr().err


def test_config_without_a_generator_raises_an_error(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match='must have one plugin with DynamicRegions, but its region sources are: Fixed'):
        run_tool(monkeypatch, CONFIG.with_name('cnn_fixed.py'), '--forms', 'released', '--out', tmp_path / 'out.json')


def test_damaged_file_is_not_overwritten(tmp_path, monkeypatch):
    (tmp_path / 'out.json').write_text('{"runs": [')
    with pytest.raises(SystemExit, match='out.json is not valid JSON: .*choose another --out'):
        run_forms(monkeypatch, tmp_path / 'out.json', 'released')
    assert (tmp_path / 'out.json').read_text() == '{"runs": ['


def test_one_iteration_without_any_gradient_is_drawn(tmp_path, monkeypatch):
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    content = run_forms(monkeypatch, tmp_path / 'out.json', 'released', iterations=1)
    assert content['runs'][0]['curve']['gradient of f'] == [0]
    assert (tmp_path / 'out.png').stat().st_size > 10_000
