"""Checkpoints for a model zoo: half precision, with config and class names, without the optimizer."""

import hashlib
import runpy
import sys
from pathlib import Path

import torch
from mmengine.config import Config

from dyreg_mmaction.inference.runs import find_model
from dyreg_mmaction.registry import MODELS

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / 'configs/multisyncmnist/small/cnn_dyreg.py'


def test_published_checkpoint_is_small_and_complete(tmp_path, monkeypatch, capsys):
    cfg = Config.fromfile(CONFIG)
    model = MODELS.build(dict(cfg.model, _scope_='mmaction'))
    trained, out = tmp_path / 'iter_5.pth', tmp_path / 'out.pth'
    torch.save(dict(state_dict=model.state_dict(), optimizer=dict(state=torch.ones(10**6)), meta=dict(iter=5)), trained)
    monkeypatch.setattr(sys, 'argv', ['publish_checkpoint.py', str(CONFIG), str(trained), str(out)])
    runpy.run_path(str(ROOT / 'tools/deploy/publish_checkpoint.py'), run_name='__main__')
    printed = capsys.readouterr().out
    assert f'SHA256 {hashlib.sha256(out.read_bytes()).hexdigest()}' in printed and out.stat().st_size < 300_000
    found, _, classes = find_model(out)
    assert found.model == cfg.model and len(classes) == 56
    content = torch.load(out, weights_only=True)
    assert content.keys() == {'state_dict', 'meta'} and content['meta']['iter'] == 5
    for key, value in model.state_dict().items():
        expected = value.half() if value.is_floating_point() else value
        assert torch.equal(content['state_dict'][key], expected), key


def test_published_checkpoint_has_no_node_classifier(tmp_path, monkeypatch):
    config = ROOT / 'configs/multisyncmnist/small_classifier/cnn_dyreg.py'
    model = MODELS.build(dict(Config.fromfile(config).model, _scope_='mmaction'))
    trained, out = tmp_path / 'iter_5.pth', tmp_path / 'out.pth'
    torch.save(dict(state_dict=model.state_dict()), trained)
    monkeypatch.setattr(sys, 'argv', ['publish_checkpoint.py', str(config), str(trained), str(out)])
    runpy.run_path(str(ROOT / 'tools/deploy/publish_checkpoint.py'), run_name='__main__')
    names = torch.load(out, weights_only=True)['state_dict'].keys()
    assert names == {name for name in model.state_dict() if not name.startswith('node_classifier.')}
