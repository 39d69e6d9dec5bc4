"""Test tools/analysis/replace_regions.py."""

import json
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tool_runs import ROOT, run

from dyreg_mmaction.registry import MODELS

FOLDER = ROOT / 'configs/multisyncmnist/small'


def checkpoint(name, root):
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(FOLDER / f'{name}.py').model)
    torch.save(dict(state_dict=model.state_dict()), root / f'{name}.pth')
    return str(root / f'{name}.pth')


def command(name, path, *options):
    start = [sys.executable, 'tools/analysis/replace_regions.py', str(FOLDER / f'{name}.py'), path]
    return [*start, '--device', 'cpu', *map(str, options)]


@pytest.mark.slow
def test_accuracy_with_other_regions(tmp_path):
    path = str(ROOT / 'results/checkpoints/cnn_dyreg.pth')
    printed = run(*command('cnn_dyreg', path, '--num', 41, '--out', tmp_path / 'new/replaced.json'))
    accuracy = json.loads((tmp_path / 'new/replaced.json').read_text())
    assert accuracy['clips'] == 41 and accuracy['own'] > 0.9
    assert accuracy['another clip'] < 0.75 and accuracy['whole frame'] < 0.75
    assert f'regions: own           top-1 {accuracy["own"]:.1%} of 41 clips' in printed


@pytest.mark.slow
def test_fixed_regions_are_those_of_every_clip(tmp_path):
    out = tmp_path / 'replaced.json'
    run(*command('cnn_fixed', checkpoint('cnn_fixed', tmp_path), '--num', 33, '--batch-size', 32, '--out', out))
    accuracy = json.loads(out.read_text())
    assert accuracy['own'] == accuracy['another clip']


@pytest.mark.parametrize('options', [('--num', 1), ('--batch-size', 1)])
def test_errors_of_options(options):
    printed = run(*command('cnn_fixed', 'missing.pth', *options), check=False)
    assert f'{options[0]} 1 must be at least 2' in printed


@pytest.mark.slow
def test_model_without_regions(tmp_path):
    printed = run(*command('cnn', checkpoint('cnn', tmp_path), '--num', 4), check=False)
    assert 'Recognizer2D has no regions to replace' in printed and 'Traceback' not in printed
