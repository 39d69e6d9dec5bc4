"""Recognizers with region losses, which train the regions during their phase and change nothing else."""

import copy

import numpy as np
import pytest
import torch
from backbone_cases import CASES, backbone_config, inputs
from mmaction.structures import ActionDataSample
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from torch.utils._python_dispatch import TorchDispatchMode

from dyreg_mmaction.datasets.video.writers import write_video
from dyreg_mmaction.models import RegionRecognizer2D, RegionRecognizer3D
from dyreg_mmaction.models.losses import RegionLoss, clip_frames
from dyreg_mmaction.registry import MODELS

# frames of noise have no motion except with steady=False
MOTION = dict(type='MotionLikelihood', weight=0.3, until=0.4, steady=False)
NAMES = ('TSM-R18', 'TSM-R18 with temporal pooling', 'I3D-R50', 'SlowFast', 'C2D')


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """Use a separate message hub per test, at the start of a training of 100 iterations."""
    own = MessageHub('test_recognizers')
    own.update_info_dict(dict(iter=0, max_iters=100))
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: own)
    return own


def recognizer(name='TSM-R18', *region_losses):
    case = CASES[name]
    kind = case.recognizer.replace('Recognizer', 'RegionRecognizer')
    cfg = dict(
        type=kind, backbone=backbone_config(name), cls_head=copy.deepcopy(case.head), region_losses=region_losses
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    for plugin in model.backbone.modules():
        if hasattr(plugin, 'alpha'):
            torch.nn.init.ones_(plugin.alpha)
    return model


def batch(name, videos=2, seed=0):
    torch.manual_seed(seed)
    return inputs(name, batch=videos), [ActionDataSample().set_gt_label(i) for i in range(videos)]


def losses(model, name='TSM-R18', **kwargs):
    torch.manual_seed(7)  # dropout
    return model(*batch(name, **kwargs), mode='loss')


@pytest.mark.parametrize('name', NAMES)
def test_motion_loss_for_2d_and_3d_recognizers(name, hub):
    model = recognizer(name, MOTION)
    assert isinstance(model, RegionRecognizer2D if CASES[name].recognizer == 'Recognizer2D' else RegionRecognizer3D)
    given = losses(model, name)
    given['loss_motion_likelihood'].backward()
    for path in CASES[name].after:
        plugin = model.backbone.plugins[path.replace('.', '-')]
        assert plugin.regions.predictor.fc.weight.grad.count_nonzero()
        shares = hub.get_info(f'motion_likelihood/{path}/share')
        assert shares.shape == (4,) and 0.1 < shares.sum() <= 1
        assert given[f'motion_likelihood/{path}/largest_share'] == shares.max()


def test_class_loss_and_state_dict_are_unchanged():
    taught, plain = recognizer('TSM-R18', MOTION), recognizer('TSM-R18')
    assert taught.state_dict().keys() == plain.state_dict().keys()
    assert losses(taught)['loss_cls'] == losses(plain)['loss_cls']
    assert losses(plain).keys() == {'loss_cls', 'top1_acc', 'top5_acc'}


class Operators(TorchDispatchMode):
    """Return the names of all operators that torch runs."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


def operators(model, mode, name='TSM-R18'):
    """Return the operators of a forward, and of the backward if there are losses."""
    frames, samples = batch(name)
    model.train(mode == 'loss')
    with Operators() as seen:
        given = model(frames, samples, mode=mode)
        if mode == 'loss':
            sum(value for key, value in given.items() if 'loss' in key).backward()
    return seen.names


@pytest.mark.parametrize('loss', [MOTION, dict(type='CenterRepulsion', until=0.4, ending='cosine')])
def test_ended_loss_runs_no_operators(hub, loss):
    taught, plain = recognizer('TSM-R18', loss), recognizer('TSM-R18')
    assert len(operators(taught, 'loss')) > len(operators(plain, 'loss'))
    hub.update_info('iter', 40)
    assert operators(taught, 'loss') == operators(plain, 'loss')


@pytest.mark.parametrize('mode', ['predict', 'tensor'])
def test_test_runs_the_operators_of_the_plain_model(mode):
    assert operators(recognizer('TSM-R18', MOTION), mode) == operators(recognizer('TSM-R18'), mode)


def test_nothing_is_recorded_after_the_end_and_in_tests(hub, monkeypatch):
    model = recognizer('TSM-R18', MOTION)
    monkeypatch.setattr('dyreg_mmaction.models.with_region_losses.record_regions', None)
    with pytest.raises(TypeError):
        losses(model)
    assert len(model.eval()(*batch('TSM-R18'), mode='predict')) == 2
    hub.update_info('iter', 40)
    assert losses(model.train()).keys() == {'loss_cls', 'top1_acc', 'top5_acc'}


def test_two_losses_of_a_type_have_different_names():
    first, second = CASES['TSM-R18'].after
    model = recognizer('TSM-R18', dict(MOTION, plugins=[first]), dict(MOTION, plugins=[second], weight=0.6))
    both = recognizer('TSM-R18', dict(MOTION, weight=1))
    given, whole = losses(model), losses(both)
    sum_of_parts = given['loss_motion_likelihood'] / 0.3 + given['loss_motion_likelihood_2'] / 0.6
    torch.testing.assert_close(sum_of_parts, whole['loss_motion_likelihood'])


def test_released_weight_decreases_with_disagreement():
    released, plain = (losses(recognizer('TSM-R18', dict(MOTION, release=release))) for release in (True, False))
    weight = 0.3 * (1 - 2 ** -plain['motion_likelihood/disagreement'])
    torch.testing.assert_close(released['motion_likelihood/weight'], weight)
    torch.testing.assert_close(released['loss_motion_likelihood'], plain['loss_motion_likelihood'] / 0.3 * weight)


def test_frames_keep_the_order_of_clips():
    frames = torch.arange(2 * 3 * 4).view(2, 3, 4)[..., None, None, None]  # 2 videos of 3 clips of 4 frames
    given = clip_frames(frames.flatten(1, 2), 6), clip_frames(frames.permute(0, 1, 3, 2, 4, 5), 6)
    for each in given:
        assert torch.equal(each, torch.arange(24.0).view(6, 4, 1, 1, 1))


@pytest.mark.parametrize(('name', 'frames', 'layout'), [('TSM-R18', 4, 'NCHW'), ('I3D-R50', 8, 'NCTHW')])
def test_neighbours_for_2d_and_3d_recognizers(tmp_path, name, frames, layout):
    background = np.random.default_rng(0).integers(60, 120, (64, 64, 1), np.uint8)
    scene = np.broadcast_to(background, (24, 64, 64, 3)).copy()
    for t, frame in enumerate(scene):
        frame[40:56, 2 * t : 2 * t + 12] = 250
    write_video(tmp_path / 'mover.webm', scene, fps=12)
    num_clips, clip_len = (frames, 1) if layout == 'NCHW' else (1, frames)
    steps = [dict(type='VideoDecode'), dict(type='FormatShape', input_format=layout)]
    pipeline = [
        dict(type='VideoInit'),
        dict(type='SampleFrames', clip_len=clip_len, num_clips=num_clips, frame_interval=1),
        dict(type='WithNeighbours', transforms=steps),
        dict(type='PackActionInputs', algorithm_keys=('neighbours',)),
    ]
    with DefaultScope.overwrite_default_scope('mmaction'):
        read = Compose(pipeline)
    video = dict(filename=str(tmp_path / 'mover.webm'), label=0, start_index=0, modality='RGB')
    data = pseudo_collate([read(dict(video)) for _ in range(2)])
    model = recognizer(name, dict(MOTION, neighbours=True))
    given = model(**model.data_preprocessor(data, training=True), mode='loss')
    given['loss_motion_likelihood'].backward()
    for path in CASES[name].after:
        assert model.backbone.plugins[path.replace('.', '-')].regions.predictor.fc.weight.grad.any()


def test_copy_supervises_its_own_regions():
    model = recognizer('TSM-R18', MOTION)
    copied = copy.deepcopy(model)
    losses(copied)['loss_motion_likelihood'].backward()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_regions_inside_checkpointed_blocks_raise_an_error():
    model = recognizer('TSM-R50', MOTION)
    for module in model.backbone.modules():
        if hasattr(module, 'with_cp'):
            module.with_cp = True
    frames, samples = batch('TSM-R50')
    with pytest.raises(ValueError, match=r"regions of plugin 'layer2.2.conv2.conv' have no gradient.*with_cp=True"):
        model(frames.requires_grad_(), samples, mode='loss')


def test_custom_loss_is_one_class():
    @MODELS.register_module(force=True)
    class Small(RegionLoss):
        def __call__(self, regions, frames, data_samples):
            assert frames.shape == (2, 4, 3, 64, 64) and len(data_samples) == 2
            return sum(each.half_size.mean() for each in regions.values()), {}

    given = losses(recognizer('TSM-R18', dict(type='Small', weight=2.0)))
    assert given['loss_small'] > 0 and given['small/weight'] == 2
