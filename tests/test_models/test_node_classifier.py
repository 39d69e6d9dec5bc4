"""The auxiliary classifier of the nodes: its loss, the weights it trains, and regions that follow because of it."""

import copy

import pytest
import torch
from backbone_cases import CASES, backbone_config, inputs
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_state_dict
from region_runs import recognizer as digit_recognizer
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing
from torch.nn.functional import cross_entropy, one_hot

from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.models.node_classifier import pool_nodes, record_maps
from dyreg_mmaction.models.node_maps import tent_maps
from dyreg_mmaction.models.with_node_classifier import without_node_classifier
from dyreg_mmaction.ops import pool
from dyreg_mmaction.registry import MODELS

GRID = dict(type='DynamicRegions', hidden_channels=8, reference='grid')
NAMES = ('TSM-R18', 'TSM-R18 with temporal pooling', 'I3D-R50', 'SlowFast', 'C2D')


def recognizer(name='TSM-R18', node_classifier=None, plugin=None, **head):
    case = CASES[name]
    backbone = backbone_config(name)
    for each in backbone['plugins'] if plugin else ():
        each.update(plugin)
    cfg = dict(
        type=case.recognizer.replace('Recognizer', 'RegionRecognizer'),
        backbone=backbone,
        cls_head=copy.deepcopy(case.head) | head,
        node_classifier=node_classifier,
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    for graph in region_graphs(model).values():
        if hasattr(graph.regions, 'predictor'):
            torch.nn.init.ones_(graph.regions.predictor.alpha)
    return model


def losses(model, name='TSM-R18', labels=(0, 1), videos=2):
    torch.manual_seed(0)
    frames = inputs(name, batch=videos)
    torch.manual_seed(7)  # dropout
    return model(frames, [ActionDataSample().set_gt_label(label) for label in labels], mode='loss')


@pytest.mark.parametrize('name', NAMES)
def test_loss_trains_the_regions_of_every_plugin(name):
    model = recognizer(name, {})
    given = losses(model, name)
    assert {'loss_node_classifier', 'node_classifier/top1_acc', 'loss_cls', 'top1_acc'} <= given.keys()
    given['loss_node_classifier'].backward()
    assert model.cls_head.fc_cls.weight.grad is None
    graphs = region_graphs(model)
    assert len(graphs) == len(model.node_classifier.layers) == len(CASES[name].after)
    for graph in graphs.values():
        assert graph.regions.predictor.fc.weight.grad.any()
    assert all(parameter.grad.any() for parameter in model.node_classifier.parameters())


def test_nodes_have_neither_messages_nor_positions():
    model = recognizer('TSM-R18', {})
    losses(model)['loss_node_classifier'].backward()
    last = region_graphs(model)[CASES['TSM-R18'].after[-1]]
    assert all(parameter.grad is None for parameter in [*last.graph.parameters(), *last.position.parameters()])


def test_loss_is_the_cross_entropy_of_the_frames():
    model = recognizer('TSM-R18', dict(weight=0.5, hidden_channels=16))
    graphs = region_graphs(model)
    seen = {}
    for path, graph in graphs.items():
        graph.regions.register_forward_hook(lambda _, args, output, path=path: seen.update({path: (args[0], output)}))
    given = losses(model)
    labels = torch.tensor([0, 1]).repeat_interleave(4)
    expected = 0
    for (path, graph), layers in zip(graphs.items(), model.node_classifier.layers.values(), strict=True):
        z, regions = seen[path]
        maps, _ = tent_maps(regions, graph.feature_size)  # (B*T,N,H,W)
        nodes = (z.flatten(0, 1)[:, None] * maps[:, :, None]).sum((-2, -1))  # (B*T,N,C)
        first, _, last = layers
        hidden = (nodes @ first.weight.T + first.bias).relu()
        assert hidden.shape[-1] == 16
        expected += cross_entropy((hidden @ last.weight.T + last.bias).sum(1), labels)
    torch.testing.assert_close(given['loss_node_classifier'], 0.5 * expected)


def test_other_weights_and_losses_are_those_without_it():
    taught, plain = recognizer('TSM-R18', {}), recognizer('TSM-R18')
    for model in (taught, plain):
        torch.manual_seed(1)
        model.init_weights()
    own = {key: value for key, value in taught.state_dict().items() if not key.startswith('node_classifier.')}
    assert own.keys() == plain.state_dict().keys() and len(own) < len(taught.state_dict())
    torch.testing.assert_close(own, plain.state_dict(), rtol=0, atol=0)
    assert losses(taught)['loss_cls'] == losses(plain)['loss_cls']
    assert losses(plain).keys() == {'loss_cls', 'top1_acc', 'top5_acc'}


def test_predictions_do_not_use_it(monkeypatch):
    model = recognizer('TSM-R18', {}).eval()
    frames = inputs('TSM-R18', batch=2)
    expected = recognizer('TSM-R18').eval()(frames)
    monkeypatch.setattr(model.node_classifier, 'forward', None)
    assert torch.equal(model(frames), expected)


@pytest.mark.parametrize(('given', 'loading'), [({}, None), (None, {}), ({}, {})])
def test_checkpoints_with_and_without_it_load_without_a_warning(given, loading, capsys):
    source, target = recognizer('TSM-R18', given), recognizer('TSM-R18', loading)
    for parameter in source.parameters():
        torch.nn.init.ones_(parameter)
    state = source.state_dict()
    keys = list(state)
    load_state_dict(target, state)
    assert capsys.readouterr().out == '' and list(state) == keys
    target.load_state_dict(state)  # strict
    ones = {name: bool((value == 1).all()) for name, value in target.named_parameters()}
    new = loading is not None and given is None
    assert all(one != (new and name.startswith('node_classifier.')) for name, one in ones.items())


def test_several_labels_per_video_and_soft_labels():
    model = recognizer('TSM-R18', {}, multi_class=True, loss_cls=dict(type='BCELossWithLogits'))
    labels = one_hot(torch.tensor([0, 1]), 5).float()
    assert losses(model, labels=labels)['loss_node_classifier'] > 0
    soft = torch.full((2, 5), 0.2)
    assert losses(recognizer('TSM-R18', {}), labels=soft)['loss_node_classifier'] > 0


@pytest.mark.parametrize('regions', [dict(type='SemanticMaps'), dict(type='StaticRegions', hidden_channels=8)])
def test_other_learned_sources(regions):
    model = recognizer('TSM-R18', {}, dict(regions=regions))
    losses(model)['loss_node_classifier'].backward()
    for graph in region_graphs(model).values():
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in graph.regions.parameters())


def test_nodes_are_those_that_the_plugin_pools(monkeypatch):
    """The classifier pools again, because no sub-module of the plugin returns these nodes."""
    model = recognizer('TSM-R18', {})
    pooled = []
    monkeypatch.setattr(
        'dyreg_mmaction.models.region_graph.pool', lambda *args: pooled.append(pool(*args)) or pooled[-1]
    )
    graphs = region_graphs(model)
    with record_maps(model, graphs) as record:
        model(inputs('TSM-R18', batch=2))
    assert len(pooled) == len(record) == 2
    for expected, (path, maps) in zip(pooled, record.items(), strict=True):
        assert torch.equal(pool_nodes(*maps, graphs[path].kernel), expected)


def test_heads_with_nodes():
    cfg = digit_recognizer(node_classifier={})
    cfg['cls_head'] = dict(
        type='RSTGToVec',
        num_classes=56,
        in_channels=64,
        feature_size=16,
        node_channels=8,
        num_nodes=4,
        num_segments=4,
        kernel='tent',
        graph=dict(type='SpaceTimeGraph'),
        regions=dict(type='DynamicRegions', hidden_channels=8),
    )
    cfg['backbone'].pop('plugins')
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    frames = torch.randn(2, 4, 1, 64, 64)
    given = model(frames, [ActionDataSample().set_gt_label(i) for i in (3, 55)], mode='loss')
    given['loss_node_classifier'].backward()
    assert model.cls_head.nodes.regions.predictor.alpha.grad.any()


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (1.0, 'node_classifier is 1.0, but must be a dict'),
        (dict(wieght=1), "node_classifier has no option 'wieght'; use weight or hidden_channels"),
        (dict(weight=0), 'weight of node_classifier is 0, but must be a number above 0; remove node_classifier'),
        (dict(weight=float('nan')), 'weight of node_classifier is nan'),
        (dict(weight='1'), "weight of node_classifier is '1'"),
        (dict(hidden_channels=0), 'hidden_channels of node_classifier is 0, but must be an integer of at least 1'),
    ],
)
def test_invalid_options(given, message):
    with pytest.raises(ValueError) as raised:
        recognizer('TSM-R18', given)
    assert message in str(raised.value)


def test_fixed_regions_are_compared_with_the_same_loss():
    model = recognizer('TSM-R18', {}, dict(regions=dict(type='FixedRegions', grids=[(2, 2)]), kernel='area'))
    losses(model)['loss_node_classifier'].backward()
    assert model.backbone.conv1.conv.weight.grad.any()


def test_models_without_regions():
    with (
        DefaultScope.overwrite_default_scope('mmaction'),
        pytest.raises(ValueError, match='node_classifier requires a plugin with regions'),
    ):
        MODELS.build(digit_recognizer(node_classifier={}))


@pytest.mark.parametrize('regions', [dict(type='DynamicRegions', hidden_channels=8), dict(type='FixedRegions')])
def test_nodes_inside_reentrant_checkpoints_raise_an_error(regions):
    model = recognizer('TSM-R50', {}, dict(regions=regions))
    for module in model.backbone.modules():
        if hasattr(module, 'with_cp'):
            module.with_cp = True
    frames = inputs('TSM-R50', batch=2).requires_grad_()
    with pytest.raises(ValueError, match=r"nodes of plugin 'layer2.2.conv2.conv' have no gradient.*with_cp=True"):
        model(frames, [ActionDataSample().set_gt_label(i) for i in (0, 1)], mode='loss')


def test_checkpoints_that_are_not_reentrant():
    plain, checkpointed = recognizer('TSM-R18', {}), recognizer('TSM-R18', {})
    apply_activation_checkpointing(checkpointed, check_fn=lambda module: type(module).__name__ == 'BasicBlock')
    for model in (plain, checkpointed):
        losses(model)['loss_node_classifier'].backward()
    gradients = [{name: p.grad for name, p in model.named_parameters()} for model in (plain, checkpointed)]
    assert len(gradients[0]) == len(gradients[1])
    for expected, given in zip(*(each.values() for each in gradients), strict=True):
        torch.testing.assert_close(given, expected)


def test_weights_are_found_by_the_path_of_the_plugin():
    first, second = CASES['TSM-R18'].after
    both = recognizer('TSM-R18', {})
    plugins = backbone_config('TSM-R18')['plugins']
    with DefaultScope.overwrite_default_scope('mmaction'):
        one = MODELS.build(
            dict(
                type='RegionRecognizer2D',
                backbone=backbone_config('TSM-R18', plugins=plugins[1:]),
                cls_head=copy.deepcopy(CASES['TSM-R18'].head),
                node_classifier={},
            )
        )
    load_state_dict(one, both.state_dict())
    assert first != second and one.node_classifier.paths == [second]
    of_second = {f'layers.{second.replace(".", "-")}.{name}' for name in ('0.weight', '0.bias', '2.weight', '2.bias')}
    assert one.node_classifier.state_dict().keys() == of_second
    for name in of_second:
        assert torch.equal(one.node_classifier.state_dict()[name], both.node_classifier.state_dict()[name])


def test_head_without_classes():
    cfg = digit_recognizer(GRID, node_classifier={})
    del cfg['cls_head']
    with (
        DefaultScope.overwrite_default_scope('mmaction'),
        pytest.raises(ValueError, match='node_classifier requires a cls_head with num_classes'),
    ):
        MODELS.build(cfg)


def test_config_for_testing_has_none():
    cfg = digit_recognizer(GRID, node_classifier={})
    assert without_node_classifier(cfg) == digit_recognizer(GRID)
