"""Choice of the initial weights."""

import os
import urllib.request

import pytest
import torch

from dyreg_mmaction.cli.folder_steps.weights import IMAGENET, SOMETHING, choose_start


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty download cache without network."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, '_opener', None)  # it keeps the proxies of the first request
    for name in ('http_proxy', 'https_proxy'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    (tmp_path / 'checkpoints').mkdir()
    return tmp_path / 'checkpoints'


def test_order_of_initial_weights(hub):
    scratch = choose_start('auto', None, 8)
    assert scratch.model == 'r18' and scratch.from_scratch and SOMETHING[8] in scratch.message
    (hub / 'resnet50-0676ba61.pth').touch()
    imagenet = choose_start('auto', None, 8)
    assert imagenet[:3] == ('r50', None, IMAGENET) and not imagenet.from_scratch
    for frames in (8, 16):
        (hub / os.path.basename(SOMETHING[frames])).touch()
        assert choose_start('auto', None, frames)[:3] == ('r50', SOMETHING[frames], None)


@pytest.mark.parametrize('model, layer', [('r50', 'conv3'), ('r18', 'conv2')])
def test_model_is_inferred_from_the_checkpoint(tmp_path, model, layer):
    path = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict={f'backbone.layer1.0.{layer}.conv.weight': torch.zeros(1)}), path)
    assert choose_start('auto', path, 8)[:2] == (model, path)
    with pytest.raises(ValueError, match='not of --model'):
        choose_start({'r50': 'r18', 'r18': 'r50'}[model], path, 8)


def test_unusable_checkpoints_raise_errors(hub, tmp_path):
    with pytest.raises(FileNotFoundError, match='--model r50: neither'):
        choose_start('r50', None, 8)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        choose_start('auto', str(tmp_path / 'none.pth'), 8)
    with pytest.raises(FileNotFoundError, match='cannot be downloaded'):
        choose_start('auto', 'https://example.org/none.pth', 8)
    torch.save(dict(state_dict={'blocks.0.weight': torch.zeros(1)}), tmp_path / 'vit.pth')
    with pytest.raises(ValueError, match='not of a ResNet'):
        choose_start('auto', str(tmp_path / 'vit.pth'), 8)
