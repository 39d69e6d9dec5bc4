"""Configs of a few lines on those of MMAction2's transformers, and with a backbone of torchvision."""

from pathlib import Path

import pytest
import torch
from libraries import library
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope

from dyreg_mmaction.engine.checks import check_config
from dyreg_mmaction.models.finding import find_plugins
from dyreg_mmaction.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'
PLACES = {
    'mvit_s_dyreg_sthv2': 'blocks.10',
    'videomae_b_dyreg_k400': 'blocks.7',
    'swin_t_dyreg_k400': 'layers.2.blocks.3',
    'uniformer_s_dyreg_k400': 'blocks3.4',
}


def build(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py').model
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(cfg)


@pytest.mark.parametrize(('name', 'place'), PLACES.items())
def test_module_has_14_by_14_cells_and_starts_as_the_identity(name, place):
    model = build(name)
    plugins = find_plugins(model)
    assert list(plugins) == [place]
    assert plugins[place].feature_size == (14, 14)
    assert not plugins[place].norm.weight.any()


@pytest.mark.parametrize('name', PLACES)
def test_only_the_backbone_differs_from_the_base(name):
    path = CONFIGS / f'{name}.py'
    base = path.read_text().partition("_base_ = '")[2].partition("'")[0]
    model, plain = Config.fromfile(path).model.to_dict(), get_config(base).model.to_dict()
    del model['backbone']['plugins'], model['_scope_']
    model['backbone']['type'] = model['backbone']['type'].removeprefix('DyReg')
    assert model == plain


@pytest.mark.parametrize('name', ['tsm_tv-r50_dyreg-r4_sthv2', 'tsm_tv-r50_dyreg-neck_sthv2'])
def test_torchvisions_resnet_has_a_temporal_shift_and_a_module(name):
    library('torchvision.models')
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    check_config(cfg)
    cfg.model.backbone.weights = None
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model).eval()
    assert sum(bool(module._forward_pre_hooks) for module in model.backbone.modules()) == 16
    (plugin,) = find_plugins(model).items()
    if 'neck' in name:
        assert model.neck.hook.path == 'layer4' and plugin[0] == 'neck'
    else:
        assert plugin[0] == 'layer3.4.conv2' and plugin[1].feature_size == (14, 14)
    with torch.no_grad():
        assert model(torch.zeros(1, 32, 3, 96, 96), stage='head').shape == (2, 174)
