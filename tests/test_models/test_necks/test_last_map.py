"""Sub-modules of backbones from other libraries that output the map before pooling."""

import copy
from types import SimpleNamespace

import pytest
import torch
from libraries import library
from mmengine.registry import DefaultScope
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.models.layouts import ChannelsLast, Frames, FrameTokens
from dyreg_mmaction.models.necks.last_map import find_last_map
from dyreg_mmaction.registry import MODELS

PLUGIN = dict(type='DyRegGNN', num_nodes=4, node_channels=8, regions=dict(type='DynamicRegions', hidden_channels=8))


class Net(nn.Module):
    """A network with the methods of torchvision's ResNet and timm's models."""

    def __init__(self, pool=True, norm=None):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=32)
        self.stages = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Identity())
        self.norm = norm or nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1) if pool else None

    def forward_features(self, x):
        return self.norm(self.stages(self.stem(x)))

    def forward(self, x):
        x = self.forward_features(x)
        return (self.pool(x) if self.pool else x.mean((2, 3))).flatten(1)


class Cells(nn.Module):
    """Tokens of a map."""

    def forward(self, x):
        return x.flatten(2).transpose(1, 2)


def recognizer(backbone, origin, feature_shape=None):
    return SimpleNamespace(backbone=backbone, backbone_from=origin, feature_shape=feature_shape)


def test_last_map_of_timm():
    net = Net(norm=nn.BatchNorm2d(8)).train()
    assert find_last_map(recognizer(net, 'timm')) == ('norm', Frames())
    assert net.training and net.stem.weight.device.type == 'cpu' and net.norm.num_batches_tracked == 0
    assert find_last_map(recognizer(Net(norm=Cells()), 'timm')) == ('norm', FrameTokens(class_tokens=0))
    assert find_last_map(recognizer(Net(), 'timm', 'NHWC')) == ('norm', ChannelsLast())


def test_last_map_of_torchvision():
    net = Net()
    assert find_last_map(recognizer(net, 'torchvision')) == ('norm', Frames())
    net.features = nn.Sequential()
    assert find_last_map(recognizer(net, 'torchvision')) == ('features', None)


def test_last_map_of_mmaction2():
    assert find_last_map(recognizer(Net(), 'mmaction2')) == ('', None)


def test_functional_map_raises_an_error():
    with pytest.raises(ValueError, match='no sub-module of Net from torchvision outputs the feature map'):
        find_last_map(recognizer(Net(pool=False), 'torchvision'))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'channels', 'size', 'kwargs'),
    [
        ('timm.resnet18', 512, 3, {}),
        ('timm.test_vit', 64, 10, {}),
        ('timm.swin_tiny_patch4_window7_224', 768, 7, dict(feature_shape='NHWC')),
        ('torchvision.resnet18', 512, 3, {}),
        ('torchvision.mobilenet_v2', 1280, 3, {}),
        ('mmpretrain.ResNet', 512, 3, dict(depth=18)),
        ('mmpretrain.VisionTransformer', 192, 10, dict(arch='deit-t', img_size=160, out_type='featmap')),
    ],
)
def test_backbones_of_other_libraries_start_bit_equal(kind, channels, size, kwargs):
    library('torchvision.models')
    library(kind.partition('.')[0])
    cfg = dict(
        type='Recognizer2D',
        backbone=dict(type=kind, **kwargs),
        cls_head=dict(type='TSNHead', num_classes=5, in_channels=channels),
    )
    neck = dict(type='RegionNeck', in_channels=channels, feature_size=size, num_segments=2, plugin=PLUGIN)
    with DefaultScope.overwrite_default_scope('mmaction'):
        plain, necked = (
            MODELS.build(copy.deepcopy(cfg)).eval(),
            MODELS.build(dict(copy.deepcopy(cfg), neck=neck)).eval(),
        )
    with pytest.warns(UserWarning, match='no weights for 1 of 1 plugins'):
        necked.load_state_dict(plain.state_dict(), strict=False)
    side = {10: 160, 7: 224}.get(size, 96)
    x = torch.randn(1, 4, 3, side, side)
    with torch.no_grad(), dyreg_mmaction.record_regions(necked) as record:
        assert torch.equal(plain(x, stage='head'), necked(x, stage='head'))
        nn.init.constant_(necked.neck.plugin.norm.weight, 0.5)
        assert not torch.equal(plain(x, stage='head'), necked(x, stage='head'))
    assert record['neck'][0].center.shape == (2, 2, 4, 2)
