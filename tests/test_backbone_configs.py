"""Configs of a few lines on those of MMAction2's transformers, and on a backbone of torchvision."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope

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


def test_neck_refines_the_map_of_torchvision_before_pooling():
    try:
        import torchvision.models  # noqa: F401
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        pytest.skip(f'torchvision cannot be imported: {error}')
    cfg = Config.fromfile(CONFIGS / 'tsn_tv-r50_dyreg-neck_sthv2.py').model
    cfg.backbone.weights = None
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg).eval()
    assert model.neck.hook.path == 'layer4'
    with torch.no_grad():
        assert model(torch.zeros(1, 16, 3, 96, 96), stage='head').shape == (1, 174)
