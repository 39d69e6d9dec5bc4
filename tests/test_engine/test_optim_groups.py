"""Parameter groups are those of TSM and contain all parameters."""

import copy
from pathlib import Path

import pytest
import torch
from mmaction.engine.optimizers import tsm_optim_wrapper_constructor
from mmaction.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, Registry

from dyreg_mmaction.engine import DyRegOptimWrapperConstructor

TSM = dict(
    type='Recognizer2D',
    backbone=dict(type='ResNetTSM', depth=18, num_segments=4, pretrained=None, pretrained2d=False),
    cls_head=dict(type='TSMHead', num_classes=5, in_channels=512, num_segments=4),
)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def groups(model, constructor):
    wrapper = ConfigDict(
        constructor=constructor,
        paramwise_cfg=dict(fc_lr5=True),
        optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=5e-4),
    )
    return build_optim_wrapper(model, wrapper).optimizer.param_groups


def plugged():
    cfg = copy.deepcopy(TSM)
    cfg['backbone'].update(type='DyRegResNetTSM', plugins=[dict(type='DyRegGNN', after='layer3.1.conv2.conv')])
    return MODELS.build(cfg)


def stock_add_params():
    """MMAction2's original method, compiled from its source because the loaded one is patched."""
    source = (
        Path(tsm_optim_wrapper_constructor.__file__)
        .read_text()
        .replace('@OPTIM_WRAPPER_CONSTRUCTORS', '@Registry("x")')
    )
    namespace = {'Registry': Registry}
    exec(source, namespace)  # noqa: S102
    return namespace['TSMOptimWrapperConstructor'].add_params


def test_groups_of_plain_tsm_are_those_of_mmaction2():
    model = MODELS.build(TSM)
    constructor = DyRegOptimWrapperConstructor(
        dict(optimizer=dict(type='SGD', lr=0.001, weight_decay=5e-4)), dict(fc_lr5=True)
    )
    ours, theirs = [], []
    constructor.add_params(ours, model)
    stock_add_params()(constructor, theirs, model)
    rates = [{p: (g['lr'], g['weight_decay']) for g in part for p in g['params']} for part in (ours, theirs)]
    assert rates[0] == rates[1]


@pytest.mark.parametrize('constructor', ['DyRegOptimWrapperConstructor', 'TSMOptimWrapperConstructor'])
def test_every_parameter_of_a_plugged_model_is_in_exactly_one_group(constructor):
    model = plugged()
    grouped = [p for g in groups(model, constructor) for p in g['params']]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(model.parameters())


def test_multipliers_follow_the_kind_of_parameter():
    model = plugged()
    rates = {p: (g['lr'] / 0.001, g['weight_decay'] / 5e-4) for g in groups(model, 'DyRegOptimWrapperConstructor')
             for p in g['params']}  # fmt: skip
    plugin = model.backbone.plugins['layer3-1-conv2-conv']
    expected = {
        model.backbone.conv1.conv.weight: (1, 1),
        model.backbone.conv1.bn.bias: (1, 0),
        plugin.norm.weight: (1, 0),
        plugin.graph.norm.bias: (1, 0),
        plugin.graph.space.gather_bias: (1, 1),
        plugin.regions.predictor.alpha: (1, 1),
        plugin.regions.predictor.fc.bias: (2, 0),
        plugin.graph.time.rnn.bias_hh_l0: (2, 0),
        plugin.graph.time.rnn.weight_hh_l0: (1, 1),
        model.cls_head.fc_cls.weight: (5, 1),
        model.cls_head.fc_cls.bias: (10, 0),
    }
    for parameter, rate in expected.items():
        assert torch.allclose(torch.tensor(rates[parameter]), torch.tensor(rate, dtype=torch.float64).float())


def test_frozen_parameters_are_excluded():
    model = MODELS.build(TSM)
    model.backbone.conv1.requires_grad_(False)
    grouped = {p for g in groups(model, 'DyRegOptimWrapperConstructor') for p in g['params']}
    assert model.backbone.conv1.conv.weight not in grouped


@pytest.mark.parametrize('constructor', ['DyRegOptimWrapperConstructor', 'TSMOptimWrapperConstructor'])
def test_classifier_is_the_layer_with_the_scores(constructor):
    """The last linear layer of the head, in the to-vec form of RSTG, belongs to the graph."""
    cfg = copy.deepcopy(TSM)
    cfg['cls_head'] = dict(
        type='RSTGToVec', num_classes=5, in_channels=512, feature_size=7, num_nodes=14, node_channels=8, num_segments=4
    )
    model = MODELS.build(cfg)
    assert list(model.cls_head.modules())[-1] is not model.cls_head.fc_cls
    rates = {p: g['lr'] for g in groups(model, constructor) for p in g['params']}
    assert rates[model.cls_head.fc_cls.weight] == 5 * 0.001
    assert rates[model.cls_head.fc_cls.bias] == 10 * 0.001
    assert all(lr <= 2 * 0.001 for p, lr in rates.items() if p not in set(model.cls_head.fc_cls.parameters()))


@pytest.mark.parametrize('constructor', ['DyRegOptimWrapperConstructor', 'TSMOptimWrapperConstructor'])
def test_classifier_of_the_nodes_is_not_that_of_the_head(constructor):
    """Neither has an unknown layer, and the stock constructor takes the last linear layer of the model."""
    head = dict(type='X3DHead', num_classes=5, in_channels=512, fc1_bias=True)
    regions = dict(type='FixedRegions', grids=[(2, 2)])
    graph = dict(type='MultiScaleGraph', stages='space-only')
    plugin = dict(type='RSTG', after='layer3.0', node_channels=8, num_nodes=4, regions=regions, graph=graph)
    backbone = dict(type='DyRegResNet3d', depth=18, pretrained=None, plugins=[plugin])
    model = MODELS.build(dict(type='RegionRecognizer3D', backbone=backbone, cls_head=head, node_classifier={}))
    rates = {p: g['lr'] for g in groups(model, constructor) for p in g['params']}
    assert rates[model.cls_head.fc2.weight] == 5 * 0.001
    assert {rates[p] for p in model.node_classifier.parameters()} == {0.001, 2 * 0.001}


def test_both_constructors_give_the_same_rates():
    model = plugged()
    ours, theirs = (
        {p: (g['lr'], g['weight_decay']) for g in groups(model, constructor) for p in g['params']}
        for constructor in ('DyRegOptimWrapperConstructor', 'TSMOptimWrapperConstructor')
    )
    assert ours == theirs


def test_patch_does_not_change_groups_of_plain_tsm():
    model = MODELS.build(TSM)
    constructor = DyRegOptimWrapperConstructor(
        dict(optimizer=dict(type='SGD', lr=0.001, weight_decay=5e-4)), dict(fc_lr5=True)
    )
    stock, patched = [], []
    stock_add_params()(constructor, stock, model)
    tsm_optim_wrapper_constructor.TSMOptimWrapperConstructor.add_params(constructor, patched, model)
    assert [[*map(id, group['params'])] for group in stock] == [[*map(id, group['params'])] for group in patched]
    assert [(g['lr'], g['weight_decay']) for g in stock] == [(g['lr'], g['weight_decay']) for g in patched]


def test_head_without_classifier_raises_an_error():
    model = MODELS.build(TSM)
    del model.cls_head.fc_cls
    with pytest.raises(ValueError, match='TSMHead has no linear layer to num_classes=5; remove fc_lr5'):
        groups(model, 'DyRegOptimWrapperConstructor')


def test_norm_decay_mult_applies_to_all_norms_of_plugins():
    """MMEngine's constructor recognizes norms by class."""
    model = plugged()
    wrapper = ConfigDict(paramwise_cfg=dict(norm_decay_mult=0), optimizer=dict(type='SGD', lr=0.001, weight_decay=5e-4))
    decays = {
        p: g['weight_decay'] for g in build_optim_wrapper(model, wrapper).optimizer.param_groups for p in g['params']
    }
    norms = {
        f'{name}.{key}': decays[parameter]
        for name, module in model.backbone.plugins.named_modules()
        if 'norm' in name.rpartition('.')[-1]
        for key, parameter in module.named_parameters(recurse=False)
    }
    assert len(norms) > 10 and set(norms.values()) == {0}
