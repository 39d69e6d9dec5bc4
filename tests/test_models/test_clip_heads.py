"""Heads with one vector per clip: RSTG to-vec, Mean+LSTM, Conv+LSTM."""

import numpy as np
import pytest
import reference_rstg as reference
import torch
from mmaction.structures import ActionDataSample
from rstg_cases import exact, state

from dyreg_mmaction.inference.export import export
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.models.finding import region_plugins
from dyreg_mmaction.registry import MODELS

TO_VEC = dict(type='RSTGToVec', num_classes=5, in_channels=6, feature_size=5, node_channels=4)
MEAN_LSTM = dict(type='DyRegRecurrentHead', num_classes=5, in_channels=6)


def samples(count):
    return [ActionDataSample().set_gt_label(k % 5) for k in range(count)]


@pytest.mark.parametrize('readout', ['last', 'mean'])
@pytest.mark.parametrize('node_channels', [4, 6])
def test_to_vec_agrees_with_a_plain_evaluation(readout, node_channels):
    head = exact(MODELS.build(dict(TO_VEC, readout=readout, node_channels=node_channels)))
    x = torch.randn(2, 6, 3, 5, 7, dtype=torch.float64)
    expected = reference.to_vec(state(head), x.numpy(), reference.grid_rectangles(), readout)
    assert np.abs(head(x).detach().numpy() - expected).max() < 1e-10


def test_mean_lstm_classifies_the_last_state():
    head = exact(MODELS.build(MEAN_LSTM))
    x = torch.randn(2, 6, 3, 5, 7, dtype=torch.float64)
    weights = state(head)
    frames = x.mean((-2, -1)).transpose(1, 2).numpy()[:, :, None]  # (B,T,1,C)
    last = reference._lstm(frames, reference.strip(weights, 'rnn.rnn.'))[:, -1, 0]
    expected = last @ weights['fc_cls.weight'].T + weights['fc_cls.bias']
    assert np.abs(head(x).detach().numpy() - expected).max() < 1e-10


def test_conv_lstm_depends_on_positions_and_mean_lstm_does_not():
    x = torch.zeros(1, 6, 2, 6, 6)
    x[..., 1, 4] = 1
    moved = x.roll(2, -1).roll(-1, -2)
    torch.manual_seed(0)
    mean, conv = (MODELS.build(dict(MEAN_LSTM, num_convs=n)).eval() for n in (0, 2))
    assert torch.allclose(mean(x), mean(moved))
    assert not torch.allclose(conv(x), conv(moved), atol=1e-6)


@pytest.mark.parametrize('cfg', [TO_VEC, MEAN_LSTM, dict(MEAN_LSTM, num_convs=2)], ids=str)
def test_maps_of_frames_and_of_clips_give_the_same_scores(cfg):
    head = MODELS.build(cfg).eval()
    clips = torch.randn(2, 6, 3, 5, 7)
    frames = clips.transpose(1, 2).flatten(0, 1)
    with pytest.raises(ValueError, match=r'got frames, but does not know the clip length; set its num_segments'):
        head(frames, num_segs=6)  # as for one video of two clips
    head.num_segments = 3
    assert torch.equal(head(clips), head(frames, num_segs=6))
    head.num_segments = 4
    with pytest.raises(ValueError, match='6 frames are not a multiple of num_segments=4'):
        head(frames, num_segs=6)


@pytest.mark.parametrize('head', [TO_VEC, MEAN_LSTM], ids=str)
@pytest.mark.parametrize('recognizer', ['Recognizer2D', 'Recognizer3D'])
def test_heads_train_and_predict_in_both_recognizers(recognizer, head):
    flat = recognizer == 'Recognizer2D'
    head = dict(head, num_segments=8) if flat else head
    backbone = dict(type='DyRegConvNet', channels=6, num_blocks=2)
    if not flat:
        stage = dict(num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,))
        backbone = dict(type='DyRegC2D', depth=18, in_channels=1, pretrained=None, **stage)
        head = dict(head, in_channels=64)
        head = head if head['type'] == 'DyRegRecurrentHead' else dict(head, feature_size=8)
    parts = dict(backbone=backbone, cls_head=dict(head, average_clips='prob'))
    model = MODELS.build(dict(type=recognizer, data_preprocessor=dict(type='mmaction.ActionDataPreprocessor'), **parts))
    model.init_weights()
    frames = torch.rand(2, 8, 1, 32, 32)
    inputs = frames if flat else frames.transpose(1, 2)[:, None]
    losses = model(inputs, samples(2), mode='loss')
    losses['loss_cls'].backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    scores = [sample.pred_score for sample in model(inputs, samples(2), mode='predict')]
    assert torch.allclose(torch.stack(scores).sum(1), torch.ones(2))


def test_classifier_starts_small():
    head = MODELS.build(dict(TO_VEC, num_classes=500, node_channels=64, init_std=0.02))
    head.init_weights()
    assert 0.019 < head.fc_cls.weight.std() < 0.021


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(readout='first'), "readout='first' is unknown"),
        (dict(num_nodes=9), 'num_nodes is 9; set num_nodes=14'),
        (dict(kernel='box'), "kernel='box' is unknown"),
        (dict(node_channels=0), 'node_channels is 0, but must be an integer of at least 1'),
    ],
)
def test_invalid_options_raise_errors(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(TO_VEC, **options))


def test_conv_net_reduces_frames_of_64_to_6_by_6():
    net = MODELS.build(dict(type='DyRegConvNet', channels=8))
    x = torch.rand(2, 1, 64, 64)
    assert net(x).shape == (2, 8, 6, 6)
    y = x  # in the order of its definition
    for block in net.blocks:
        y = torch.nn.functional.max_pool2d(block[0](y).relu(), 2)
    assert torch.allclose(net(x), y, atol=1e-6)


def label_head(**settings):
    """Return a recognizer whose head predicts regions, and three clips of a moving square."""
    regions = dict(type='DynamicRegions', hidden_channels=4)
    settings = dict(num_nodes=2, kernel='tent', graph=dict(type='SpaceTimeGraph'), regions=regions, **settings)
    head = dict(TO_VEC, feature_size=8, num_segments=4, average_clips='score', **settings)
    backbone = dict(type='DyRegConvNet', in_channels=3, channels=6, num_blocks=2)
    preprocessor = dict(type='mmaction.ActionDataPreprocessor')
    losses = [dict(type='MotionLikelihood', weight=1.0)]
    cfg = dict(type='RegionRecognizer2D', data_preprocessor=preprocessor, backbone=backbone, cls_head=head)
    model = MODELS.build(dict(cfg, region_losses=losses))
    model.init_weights()
    frames = torch.zeros(3, 4, 3, 32, 32)
    for time in range(4):
        frames[:, time, :, 4:10, 7 * time : 7 * time + 6] = 1
    return model, frames


def test_regions_of_a_head_are_attached_and_supervised():
    model, frames = label_head()
    with attach_regions(model.eval()):
        (regions,) = model(frames, samples(3), mode='predict')[0].regions.values()
    assert regions.center.shape == (1, 4, 2, 2)
    losses = model.train()(frames, samples(3), mode='loss')
    assert list(region_plugins(model)) == ['cls_head.nodes']
    losses['loss_motion_likelihood'].backward()
    assert model.cls_head.nodes.regions.predictor.alpha.grad.abs().sum() > 0


def test_positions_tell_nodes_of_one_color_apart():
    """On a constant map, nodes of different regions differ by their positions only."""
    clips = torch.ones(1, 6, 3, 8, 8)
    fixed = dict(feature_size=8, num_nodes=4, regions=dict(type='FixedRegions'), graph=dict(type='SpaceTimeGraph'))
    for position in (False, True):
        head = MODELS.build(dict(TO_VEC, **fixed, position=position)).eval()
        nodes, _ = head.nodes.encode(clips)
        assert torch.allclose(nodes[:, :, 0], nodes[:, :, 3], atol=1e-6) != position


def test_head_of_a_2d_recognizer_is_exported(tmp_path):
    model, _ = label_head()
    assert export(model.eval(), dict(frames=4, size=32), tmp_path / 'model.pt2') < 1e-4


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(position='False'), "position='False', but it must be True or False"),
        (dict(position=True, position_gradient=0), 'position_gradient=0, but it must be True or False'),
        (dict(position_gradient=False), 'position_gradient=False has no effect without position=True; remove it'),
        (dict(num_segments=0), 'num_segments is 0, but must be an integer of at least 1'),
    ],
)
def test_wrong_positions_and_clip_lengths_raise_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(TO_VEC, **options))
