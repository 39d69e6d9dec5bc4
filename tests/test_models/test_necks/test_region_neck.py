"""RegionNeck, a plugin on the last map of a backbone, in the recognizers of MMAction2."""

import copy
import pickle
from collections import namedtuple

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.inference.export import export
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.models.closing import close_nodes
from dyreg_mmaction.models.finding import find_plugins, region_graphs
from dyreg_mmaction.registry import MODELS

PLUGIN = dict(type='DyRegGNN', num_nodes=4, node_channels=8, regions=dict(type='DynamicRegions', hidden_channels=8))
NECK = dict(type='RegionNeck', in_channels=512, feature_size=3, num_segments=4, plugin=PLUGIN)
TSM = dict(
    type='RegionRecognizer2D',
    backbone=dict(type='ResNetTSM', depth=18, num_segments=4, pretrained=None),
    cls_head=dict(type='TSMHead', num_classes=5, in_channels=512, num_segments=4, dropout_ratio=0, init_std=0.1),
)
RESNET = dict(TSM, backbone=dict(type='ResNet', depth=18, pretrained=None))
TSN = dict(RESNET, cls_head=dict(type='TSNHead', num_classes=5, in_channels=512, dropout_ratio=0, init_std=0.1))
SLOW = dict(
    type='RegionRecognizer3D',
    backbone=dict(type='ResNet3dSlowOnly', depth=18, base_channels=8, pretrained=None, lateral=False),
    cls_head=dict(type='I3DHead', num_classes=5, in_channels=64, dropout_ratio=0, init_std=0.1),
)
NECK_3D = dict(type='RegionNeck', in_channels=64, feature_size=3, plugin=PLUGIN)
FRAMES = torch.randn(2, 8, 3, 96, 96, generator=torch.Generator().manual_seed(0))  # of two videos with two views
CLIPS = torch.randn(2, 1, 3, 4, 96, 96, generator=torch.Generator().manual_seed(0))
MOVING = torch.zeros(2, 4, 3, 96, 96)  # a square
for t in range(4):
    MOVING[:, t, :, 30:50, 20 * t : 20 * t + 20] = 1


def build(cfg, neck=None, **kwargs):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(copy.deepcopy(dict(cfg, **({'neck': neck} if neck else {}), **kwargs)))
        model.init_weights()
    return model.eval()


def trained(model):
    """Return the model with a neck that is not the identity."""
    nn.init.constant_(model.neck.plugin.norm.weight, 0.5)
    return model


def samples(count):
    return [ActionDataSample().set_gt_label(i) for i in range(count)]


@torch.no_grad()
def logits(model, inputs):
    return model(inputs, stage='head')


@pytest.mark.parametrize(
    ('cfg', 'neck', 'inputs'),
    [(TSM, NECK, FRAMES), (RESNET, NECK, FRAMES), (TSN, NECK, FRAMES), (SLOW, NECK_3D, CLIPS)],
    ids=['TSM', 'ResNet', 'TSN', 'SlowOnly'],
)
def test_logits_and_losses_start_bit_equal(cfg, neck, inputs):
    plain, necked = build(cfg), build(cfg, neck)
    assert torch.equal(logits(plain, inputs), logits(necked, inputs))
    assert not torch.equal(logits(plain, inputs), logits(trained(copy.deepcopy(necked)), inputs))
    inputs = inputs[:, :4].contiguous()
    losses = [model.train().loss(inputs, samples(2))['loss_cls'] for model in (plain, necked)]
    assert torch.equal(*losses)


@pytest.mark.parametrize('kind', ['Recognizer2D', 'RegionRecognizer2D'])
def test_state_dict_contains_that_of_the_plain_model(kind):
    plain, necked = build(dict(TSM, type=kind)), build(dict(TSM, type=kind), NECK)
    assert plain.state_dict().keys() == {key for key in necked.state_dict() if not key.startswith('neck.plugin.')}
    assert all(torch.equal(value, necked.state_dict()[key]) for key, value in plain.state_dict().items())


@pytest.mark.parametrize(
    ('cfg', 'neck', 'inputs'), [(TSM, NECK, MOVING), (SLOW, NECK_3D, MOVING.transpose(1, 2).unsqueeze(1))]
)
def test_all_weights_of_the_neck_have_gradients_with_a_region_loss(cfg, neck, inputs):
    model = trained(build(cfg, neck, region_losses=[dict(type='MotionLikelihood')]))
    model.train()
    losses = model.loss(inputs, samples(2))
    sum(value for name, value in losses.items() if name.startswith('loss')).backward()
    assert losses['loss_motion_likelihood'] != 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.neck.parameters())


@pytest.mark.parametrize(('cfg', 'neck', 'inputs'), [(TSM, NECK, FRAMES), (SLOW, NECK_3D, CLIPS)])
def test_regions_are_recorded_and_attached_as_neck(cfg, neck, inputs):
    model = build(cfg, neck)
    with attach_regions(model), torch.no_grad():
        predicted = model(inputs, samples(2), mode='predict')
    views = 2 if inputs.ndim == 5 else 1
    assert predicted[0].regions['neck'].center.shape == (views, 4, 4, 2)
    assert predicted[0].kernels == {'neck': 'tent'}


def test_closing_all_nodes_gives_the_plain_model():
    plain, necked = build(TSM), trained(build(TSM, NECK))
    assert region_graphs(necked) == {'neck': necked.neck.plugin}
    with close_nodes({necked.neck.plugin: torch.ones(4, 1, 4, dtype=torch.bool)}):
        closed = logits(necked, FRAMES)
    torch.testing.assert_close(closed, logits(plain, FRAMES))


def test_max_testing_views_gives_the_same_scores():
    model = trained(build(SLOW, NECK_3D, test_cfg=dict(max_testing_views=1)))
    with torch.no_grad():
        parts = model(CLIPS[:1].repeat(1, 2, 1, 1, 1, 1), samples(1), mode='predict')
        model.test_cfg = None
        whole = model(CLIPS[:1].repeat(1, 2, 1, 1, 1, 1), samples(1), mode='predict')
    torch.testing.assert_close(parts[0].pred_score, whole[0].pred_score)


def test_max_testing_views_of_frames_gives_the_same_scores():
    model = trained(build(TSM, NECK, test_cfg=dict(max_testing_views=4)))
    with torch.no_grad():
        parts = model(FRAMES, samples(2), mode='predict')
        model.test_cfg = None
        whole = model(FRAMES, samples(2), mode='predict')
    torch.testing.assert_close(parts[0].pred_score, whole[0].pred_score)


def test_clip_length_may_differ_between_batches():
    model = trained(build(TSN, dict(NECK, num_segments='batch')))
    model.train()
    with dyreg_mmaction.record_regions(model) as record:
        model(FRAMES[:, :3].contiguous(), samples(2), mode='loss')
        model.eval()
        tested = samples(2)
        for sample in tested:
            sample.set_metainfo(dict(num_clips=8, clip_len=1))
        model(FRAMES, tested, mode='predict')
    assert [regions.center.shape[:2] for regions in record['neck']] == [(2, 3), (2, 8)]


def test_temporal_pooling_of_tsm_halves_the_frames_of_a_clip():
    cfg = copy.deepcopy(TSM)
    cfg['backbone']['temporal_pool'] = cfg['cls_head']['temporal_pool'] = True
    model = build(cfg, NECK)
    with dyreg_mmaction.record_regions(model) as record:
        logits(model, FRAMES)
    assert record['neck'][0].center.shape == (4, 2, 4, 2)


def test_one_of_several_maps_is_refined():
    model = trained(build(SLOW, dict(NECK_3D, in_channels=32, feature_size=6, index=-2)))
    maps = torch.randn(1, 32, 4, 6, 6), torch.randn(1, 64, 4, 3, 3)
    refined, losses = model.neck(maps)
    assert isinstance(refined, tuple) and losses == {}
    assert not torch.equal(refined[0], maps[0]) and refined[1] is maps[1]


def test_named_tuple_of_maps_stays_one():
    maps = namedtuple('Maps', 'low high')(torch.zeros(1, 3), torch.randn(1, 64, 4, 3, 3))
    refined, _ = MODELS.build(dict(NECK_3D, index=1)).eval()(maps)
    assert type(refined) is type(maps) and torch.equal(refined.high, maps.high)


def test_tuple_of_one_map_needs_no_index():
    model = trained(build(SLOW, NECK_3D))
    x = torch.randn(1, 64, 4, 3, 3)
    assert torch.equal(model.neck([x])[0][0], model.neck(x)[0])


@pytest.mark.parametrize(
    ('neck', 'features', 'message'),
    [
        (dict(index=1), torch.zeros(1, 64, 4, 3, 3), 'index=1 of RegionNeck, but the backbone outputs one map'),
        ({}, (torch.zeros(1, 64, 4, 3, 3),) * 2, r'index=None of RegionNeck, but the backbone outputs \[\(1, 64'),
        (dict(index=2), (torch.zeros(1, 64, 4, 3, 3),) * 2, 'index=2 of RegionNeck'),
        (dict(in_channels=32), torch.zeros(1, 64, 4, 3, 3), 'set in_channels=64'),
        ({}, torch.zeros(1, 64), r'the backbone outputs shape \(1, 64\), but RegionNeck needs a map'),
        ({}, torch.zeros(4, 64, 3, 3), 'set num_segments to'),
        (dict(num_segments=3), torch.zeros(4, 64, 3, 3), '4 frames are not a multiple of num_segments=3'),
        (
            dict(num_segments=4, layout='FrameTokens'),
            torch.zeros(4, 10, 64),
            '10 tokens of a frame do not form a map',
        ),
    ],
)
def test_unsuitable_maps_raise_errors(neck, features, message):
    model = MODELS.build(dict(NECK_3D, **neck))
    with pytest.raises(ValueError, match=message):
        model(features)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(num_segments=0), 'num_segments=0 must be'),
        (dict(in_channels='8'), "in_channels of RegionNeck is '8', but must be an integer"),
        (dict(index='last'), "index of RegionNeck is 'last', but must be the number of a map"),
        (dict(num_segments='all'), "num_segments='all' must be"),
        (dict(layout='Tokens'), "layout='Tokens' must be one of"),
        (dict(plugin=dict(type='DyRegGNN', after='layer4')), "plugin DyRegGNN has no argument 'after'"),
    ],
)
def test_invalid_arguments_raise_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(NECK, **arguments))


@pytest.mark.parametrize(
    ('layout', 'shape'),
    [('ChannelsLast', (8, 3, 3, 64)), (dict(type='FrameTokens', class_tokens=2), (8, 11, 64))],
)
def test_layouts_refine_the_same_map(layout, shape):
    neck = MODELS.build(dict(NECK_3D, num_segments=4, layout=layout))
    nn.init.constant_(neck.plugin.norm.weight, 0.5)
    x = torch.randn(2, 64, 4, 3, 3)
    cells = x.permute(0, 2, 3, 4, 1).flatten(0, 1)  # (B*T,H,W,C)
    expected = neck.plugin(x).permute(0, 2, 3, 4, 1).flatten(0, 1)
    if len(shape) == 3:
        class_tokens = torch.randn(8, 2, 64)
        cells = torch.cat((class_tokens, cells.flatten(1, 2)), 1)
        expected = torch.cat((class_tokens, expected.flatten(1, 2)), 1)
    assert cells.shape == shape
    torch.testing.assert_close(neck.refine(cells), expected)


def test_copies_and_pickles_run_their_own_neck():
    model = trained(build(TSM, NECK))
    expected = logits(model, FRAMES)
    copies = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    nn.init.constant_(model.neck.plugin.norm.weight, 3)
    assert all(torch.equal(logits(each, FRAMES), expected) for each in copies)


def test_replaced_backbone_runs_through_the_neck():
    model = trained(build(RESNET, NECK))
    expected = logits(model, FRAMES)
    backbone = model.backbone
    fresh = MODELS.build(dict(type='mmaction.ResNet', depth=18, pretrained=None))
    fresh.load_state_dict(backbone.state_dict())
    model.backbone = fresh
    model.eval()
    assert torch.equal(logits(model, FRAMES), expected)


@pytest.mark.parametrize(('cfg', 'neck', 'inputs'), [(TSM, NECK, FRAMES), (SLOW, NECK_3D, CLIPS)])
def test_fused_models_give_the_same_logits(cfg, neck, inputs):
    model = trained(build(cfg, neck))
    fast = dyreg_mmaction.fuse_for_inference(model)
    torch.testing.assert_close(logits(fast, inputs), logits(model, inputs), rtol=1e-3, atol=1e-4)
    half = dyreg_mmaction.fuse_for_inference(model, torch.bfloat16)
    assert logits(half, inputs).dtype == torch.float32


@pytest.mark.parametrize(('cfg', 'neck'), [(TSM, NECK), (SLOW, NECK_3D)])
def test_exported_files_give_the_same_logits(cfg, neck, tmp_path):
    assert export(trained(build(cfg, neck)), dict(frames=4, size=96), tmp_path / 'model.pt2') < 1e-4


def test_compiled_models_give_the_same_logits():
    model = trained(build(TSM, NECK))
    compiled = torch.compile(model, backend='eager')
    torch.testing.assert_close(compiled(FRAMES, stage='head'), logits(model, FRAMES))


def test_checkpoint_of_the_plain_model_warns_before_a_test():
    plain, necked = build(TSM), build(TSM, NECK)
    with pytest.warns(UserWarning, match='no weights for 1 of 1 plugins'):
        necked.load_state_dict(plain.state_dict(), strict=False)


def test_checkpoint_of_another_neck_raises_an_error():
    other = build(TSM, dict(NECK, plugin=dict(PLUGIN, node_channels=16)))
    with pytest.raises(ValueError, match=r'neck\.plugin\.project\.0\.weight has shape \(16, '):
        build(TSM, NECK).load_state_dict(other.state_dict())


def test_plugins_of_backbone_and_neck_are_found_together():
    cfg = copy.deepcopy(TSM)
    cfg['backbone'].update(type='DyRegResNetTSM', plugins=[dict(PLUGIN, after='layer3.1')])
    model = build(cfg, NECK)
    assert list(find_plugins(model)) == ['layer3.1', 'neck']
    with dyreg_mmaction.record_regions(model) as record:
        logits(model, FRAMES)
    assert {path: len(regions) for path, regions in record.items()} == {'layer3.1': 1, 'neck': 1}


def test_tpn_is_still_a_neck_of_clips():
    cfg = dict(
        TSM,
        type='Recognizer2D',
        backbone=dict(type='ResNetTSM', depth=18, num_segments=8, out_indices=(2, 3), pretrained=None),
        neck=dict(
            type='TPN',
            in_channels=(256, 512),
            out_channels=64,
            spatial_modulation_cfg=dict(in_channels=(256, 512), out_channels=512),
            temporal_modulation_cfg=dict(downsample_scales=(8, 8)),
            upsample_cfg=dict(scale_factor=(1, 1, 1)),
            downsample_cfg=dict(downsample_scale=(1, 1, 1)),
            level_fusion_cfg=dict(
                in_channels=(64, 64), mid_channels=(64, 64), out_channels=128, downsample_scales=((1, 1, 1),) * 2
            ),
        ),
        cls_head=dict(type='TPNHead', num_classes=5, in_channels=2048, spatial_type='avg'),
    )
    model = build(cfg)
    assert model.with_neck and not model.backbone._forward_hooks
    assert logits(model, FRAMES).shape == (2, 5)
