"""Pretrained weights of backbones: ImageNet's with torchvision's names, inflated ones, and the backbone's own."""

import copy
import re

import pytest
import torch
from backbone_cases import PLUGIN, build, wake
from mmcv.cnn import ConvModule

from dyreg_mmaction.registry import MODELS

AFTER = 'layer3.1.conv2.conv'


def backbone(kind, plugins=(AFTER,), **kwargs):
    torch.manual_seed(0)
    extra = dict(plugins=[dict(PLUGIN, after=path) for path in plugins], input_size=64) if plugins else {}
    return MODELS.build(dict(type=f'DyReg{kind}' if plugins else kind, depth=18, **extra, **kwargs))


@pytest.fixture(scope='module')
def torchvision_file(tmp_path_factory):
    """ResNet-18 in torchvision's names."""
    plain, state = backbone('ResNet', plugins=()), {}
    for name, module in plain.named_modules():
        if isinstance(module, ConvModule):
            downsample = name.endswith('downsample')
            parts = (f'{name}.0', f'{name}.1') if downsample else (name, re.sub('conv(?=.?$)', 'bn', name))
            for part, source in zip(parts, (module.conv, module.bn), strict=True):
                for key, value in source.state_dict().items():
                    state[f'{part}.{key}'] = torch.rand_like(value.float()).to(value.dtype)
    state['fc.weight'], state['fc.bias'] = torch.rand(1000, 512), torch.rand(1000)
    assert {'conv1.weight', 'bn1.running_var', 'layer2.0.downsample.1.bias', 'layer4.1.bn2.weight'} <= state.keys()
    path = tmp_path_factory.mktemp('torchvision') / 'resnet18.pth'
    torch.save(state, path)
    return str(path)


@pytest.mark.parametrize(
    'kind, options',
    [
        ('ResNetTSM', dict(num_segments=4)),
        ('ResNetTSM', dict(num_segments=4, temporal_pool=True)),
        ('ResNet', dict(torchvision_pretrain=True)),
        ('ResNet3d', dict(pretrained2d=True)),
        ('ResNet3dSlowOnly', dict(pretrained2d=True)),
    ],
)
def test_torchvision_weights_are_loaded_into_all_layers_except_plugins(kind, options, torchvision_file):
    after = 'layer2.net.1.conv2' if 'temporal_pool' in options else AFTER
    plain = backbone(kind, (), pretrained=torchvision_file, **options)
    frames = dict(num_segments=4) if kind == 'ResNet' else {}
    plugged = backbone(kind, (after,), pretrained=torchvision_file, **options, **frames)
    start = copy.deepcopy(plugged.state_dict())
    plain.init_weights(), plugged.init_weights()
    state = plugged.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(state[key], value)
        assert not torch.equal(state[key], start[key]) or key.endswith('num_batches_tracked')
    added = [key for key in state if key.startswith('plugins.')]
    assert added and all(torch.equal(state[key], start[key]) for key in added)


@pytest.mark.parametrize(
    'kind, options',
    [
        ('ResNetTSM', dict(num_segments=4, pretrained2d=False, torchvision_pretrain=False)),
        ('ResNet', dict(torchvision_pretrain=False)),
        ('ResNet3d', dict(pretrained2d=False, base_channels=16)),
    ],
)
@pytest.mark.parametrize('of', ['plain', 'plugged'])
def test_checkpoint_of_the_backbone_is_loaded_completely(kind, options, of, tmp_path):
    frames = dict(num_segments=4) if kind == 'ResNet' else {}
    source = backbone(kind, (AFTER,) if of == 'plugged' else (), **options, **(frames if of == 'plugged' else {}))
    check_own_checkpoint(source, backbone(kind, **options, **frames), tmp_path)


@pytest.mark.parametrize('of', ['plain', 'plugged'])
def test_strictly_loaded_checkpoint(of, tmp_path):
    source, target = (build('SlowFast', plugins=plugins).backbone for plugins in (of == 'plugged', True))
    check_own_checkpoint(source, target, tmp_path)


def check_own_checkpoint(source, target, tmp_path):
    with torch.no_grad():
        for value in source.state_dict().values():
            value.add_(1)
    torch.save(source.state_dict(), tmp_path / 'own.pth')
    target.pretrained = str(tmp_path / 'own.pth')
    start = copy.deepcopy(target.state_dict())
    target.init_weights()
    given, state = source.state_dict(), target.state_dict()
    assert all(torch.equal(state[key], given.get(key, start[key])) for key in state)


def test_init_cfg_loads_plugins_from_a_recognizers_checkpoint(tmp_path):
    source = build('TSM-R18')
    wake(source.backbone.plugins)
    torch.save({'state_dict': source.state_dict()}, tmp_path / 'model.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'model.pth'), prefix='backbone.')
    model = build('TSM-R18', seed=1, init_cfg=init_cfg)
    model.init_weights()
    state = model.backbone.state_dict()
    assert all(torch.equal(state[key], value) for key, value in source.backbone.state_dict().items())


def test_checkpoint_with_another_plugin_raises_an_error(tmp_path):
    own = dict(pretrained2d=False, torchvision_pretrain=False, num_segments=4)
    torch.save(backbone('ResNetTSM', **own).state_dict(), tmp_path / 'own.pth')
    other = [dict(PLUGIN, after=AFTER, num_nodes=9)]
    model = MODELS.build(dict(type='DyRegResNetTSM', depth=18, plugins=other, input_size=64, **own))
    model.pretrained = str(tmp_path / 'own.pth')
    with pytest.raises((ValueError, RuntimeError), match='layer3-1-conv2-conv.regions.heads.1.fc.weight'):
        model.init_weights()
