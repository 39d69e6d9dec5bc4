"""Test tools/analysis/replace_regions.py."""

import json
import re
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tool_runs import ROOT, run

from dyreg_mmaction.registry import MODELS

DIGITS = 'configs/multisyncmnist/small'
PUBLISHED = 'results/checkpoints/cnn_dyreg.pth'
NUM = 'test_dataloader.dataset.length=41'


def untrained(config, root):
    """Write a checkpoint of a config and return its path."""
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(ROOT / config).model)
    torch.save(dict(state_dict=model.state_dict()), root / 'model.pth')
    return root / 'model.pth'


def replace_regions(config, checkpoint, root, *options, check=True):
    command = ['tools/analysis/replace_regions.py', config, checkpoint, '--work-dir', root / 'logs', *options]
    return run(sys.executable, *map(str, command), check=check)


@pytest.mark.slow
def test_model_that_needs_its_regions(tmp_path):
    config, out = f'{DIGITS}/cnn_dyreg.py', tmp_path / 'new/replaced.json'
    printed = replace_regions(config, PUBLISHED, tmp_path, '--out', out, '--cfg-options', NUM)
    results = json.loads(out.read_text())
    assert results['own']['acc/top1'] > 0.9
    assert results['another clip']['acc/top1'] < 0.75 and results['whole frame']['acc/top1'] < 0.75
    assert f'regions: own           acc/top1 {results["own"]["acc/top1"]:.4f}' in printed
    test = ['tools/test.py', config, PUBLISHED, '--work-dir', str(tmp_path), '--cfg-options', NUM]
    tested = run(sys.executable, *test)
    assert float(re.search(r'acc/top1: (\d\.\d+)', tested)[1]) == pytest.approx(results['own']['acc/top1'], abs=1e-4)
    message = replace_regions(config, PUBLISHED, tmp_path, '--out', out, check=False)
    assert f'--out {out} exists; choose another name' in message
    assert json.loads(out.read_text()) == results


@pytest.mark.slow
def test_clips_of_one_class_are_reported(tmp_path):
    config = f'{DIGITS}/cnn_dyreg.py'
    options = [NUM, 'test_dataloader.dataset.none_prob=1']
    printed = replace_regions(config, PUBLISHED, tmp_path, '--cfg-options', *options)
    assert '41 of 41 clips share a class with the clip whose regions they get' in printed


@pytest.mark.slow
def test_rstg_on_a_fixed_grid(tmp_path):
    config, out = 'configs/syncmnist/small/rstg_1-temp.py', tmp_path / 'replaced.json'
    replace_regions(config, untrained(config, tmp_path), tmp_path, '--out', out, '--cfg-options', NUM)
    results = json.loads(out.read_text())
    assert results['own'] == results['another clip']


@pytest.mark.slow
def test_errors(tmp_path):
    config = f'{DIGITS}/cnn.py'
    out = tmp_path / 'file/replaced.json'
    out.parent.write_text('')
    assert f'--out {out} cannot be written' in replace_regions(config, PUBLISHED, tmp_path, '--out', out, check=False)
    printed = replace_regions(config, untrained(config, tmp_path), tmp_path, '--cfg-options', NUM, check=False)
    assert 'Recognizer2D has no regions to replace' in printed and 'Traceback' not in printed
    config = tmp_path / 'no_accuracy.py'
    config.write_text(
        f"_base_ = {str(ROOT / DIGITS / 'cnn_dyreg.py')!r}\ntest_evaluator = [dict(type='ObjectDistance')]\n"
    )
    printed = replace_regions(config, PUBLISHED, tmp_path, '--cfg-options', NUM, check=False)
    assert 'test_evaluator has no accuracy' in printed and 'Traceback' not in printed
