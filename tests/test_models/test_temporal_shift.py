"""A temporal shift in backbones that have none."""

import copy
import pickle

import pytest
import torch
from backbone_cases import PLUGIN, wake
from libraries import library
from mmaction.models import ResNetTSM
from mmcv.cnn import ConvModule
from mmengine.registry import DefaultScope
from torch import nn
from user_resnet import UserResNet

from dyreg_mmaction import fuse_for_inference, plug
from dyreg_mmaction.inference.export import export
from dyreg_mmaction.models import TemporalShift, add_plugins
from dyreg_mmaction.models.backbones import DyRegResNet
from dyreg_mmaction.models.library_backbones import plug_backbone
from dyreg_mmaction.models.necks.region_neck import RegionNeck
from dyreg_mmaction.models.plugins import Plugins
from dyreg_mmaction.registry import MODELS

SHIFT = dict(type='TemporalShift')
FRAMES = torch.zeros(4, 3, 64, 64)
MODULE = dict(PLUGIN, after='layer3.1.conv2')


def resnet(depth=18, width=8):
    """Return a ResNet in eval mode whose norms have random statistics."""
    torch.manual_seed(0)
    model = UserResNet(depth, width).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.weight, 0.5, 1.0)
    return model


def frames(clips=2, side=64):
    return torch.randn(4 * clips, 3, side, side, generator=torch.Generator().manual_seed(1))


def tsm(depth, weights, folder, **kwargs):
    """Return MMAction2's TSM with torchvision's weights, which it converts itself."""
    torch.save(weights, folder / 'weights.pth')
    model = ResNetTSM(depth, num_segments=4, pretrained=str(folder / 'weights.pth'), **kwargs)
    model.init_weights()
    model.eval()
    return model


@pytest.mark.parametrize(
    ('depth', 'options', 'place'),
    [
        (18, {}, {}),
        (50, {}, {}),
        (50, dict(shift_div=4), dict(shift_div=4)),
        (101, {}, {}),  # every second block
        (50, dict(shift_place='block'), dict(before='layer*.*')),
    ],
)
def test_shifted_resnet_equals_mmaction2s_tsm(depth, options, place, tmp_path):
    model = resnet(depth, width=64)
    plain, weights = copy.deepcopy(model), model.state_dict()
    plug(model, [dict(SHIFT, **place)], FRAMES)
    assert model.state_dict().keys() == weights.keys()
    model.load_state_dict(weights)  # pretrained weights
    x = frames(side=32).requires_grad_()
    expected, shifted = tsm(depth, weights, tmp_path, **options)(x), model(x)
    torch.testing.assert_close(shifted, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
    assert (shifted - plain(x)).abs().max() > 0.01 * expected.abs().max()
    seed = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad(y, x, seed)[0] for y in (shifted, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())


def test_clips_are_independent_and_incomplete_ones_raise_an_error():
    model = plug(resnet(), [SHIFT], FRAMES)
    x = frames(3)
    torch.testing.assert_close(model(x)[4:8], model(x[4:8]))
    with pytest.raises(ValueError, match='6 frames are not a multiple of num_segments=4'):
        model(x[:6])
    with pytest.raises(RuntimeError, match=r"before='layer1.0.conv1' got 6 frames outside .* clip length is 4"):
        model.layer1(torch.zeros(6, 8, 4, 4))
    assert model.layer1(torch.zeros(8, 8, 4, 4)).shape == (8, 8, 4, 4)


@pytest.fixture(scope='module')
def recognizer():
    """Return a recognizer of a user's backbone class with shift and module."""
    if 'DyRegUserResNet' not in MODELS.module_dict:
        add_plugins(UserResNet, takes_clips=False)
    return built(dict(type='DyRegUserResNet', num_segments=4, plugins=[SHIFT, MODULE], input_size=64))


def built(backbone, width=64, **head):
    head = dict(type='TSMHead', num_classes=5, in_channels=width, num_segments=4, dropout_ratio=0.0, **head)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(dict(type='RegionRecognizer2D', backbone=backbone, cls_head=head))
    for module in model.modules():
        if isinstance(module, Plugins):
            wake(module)
    return model.eval()


def test_training_step_has_finite_gradients(recognizer):
    model = copy.deepcopy(recognizer).train()
    model(frames().unflatten(0, (2, 4)), stage='head').square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert all(parameter.grad.any() for parameter in model.backbone.layer1.parameters())


def test_six_views_do_not_depend_on_one_another(recognizer):
    views = frames(6)
    with torch.no_grad():
        logits = recognizer(views[None], stage='head')
        single = torch.cat([recognizer(view[None], stage='head') for view in views.split(4)])
    torch.testing.assert_close(logits, single, rtol=1e-4, atol=1e-5)


def test_fused_model_gives_the_same(recognizer):
    x = frames().unflatten(0, (2, 4))
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        with torch.no_grad():
            expected, given = recognizer(x, stage='head'), fuse_for_inference(recognizer, dtype)(x, stage='head')
        torch.testing.assert_close(given, expected, rtol=0, atol=tolerance * expected.abs().max().item())


def test_mmaction2s_resnet_with_shift_and_its_fused_copy_are_tsm(tmp_path):
    expected, x = tsm(18, resnet(18, width=64).state_dict(), tmp_path), frames(side=32)
    shifted = DyRegResNet(depth=18, pretrained=None, num_segments=4, plugins=[SHIFT])
    shifted.load_state_dict({key.replace('.net.', '.'): value for key, value in expected.state_dict().items()})
    shifted.eval()
    assert isinstance(shifted.layer1[0].conv1, ConvModule)
    with torch.no_grad():
        y = expected(x)
        assert torch.equal(shifted(x), y)
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
            fused = fuse_for_inference(shifted, dtype)
            torch.testing.assert_close(fused(x), y, rtol=0, atol=tolerance * y.abs().max().item())


def test_norms_can_be_folded():
    from mmcv.cnn import fuse_conv_bn

    model = plug(resnet(), [SHIFT], FRAMES)
    expected = model(frames())
    folded = fuse_conv_bn(copy.deepcopy(model))
    assert isinstance(folded.layer1[0].bn1, nn.Identity)
    torch.testing.assert_close(folded(frames()), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@pytest.mark.slow
def test_compiled_model_is_one_graph_for_any_number_of_clips():
    torch._dynamo.reset()
    backbone = plug(resnet(), [SHIFT], FRAMES)
    compiled = torch.compile(backbone, backend='eager', fullgraph=True)
    with torch.no_grad():
        for clips in (2, 3, 5):
            torch.testing.assert_close(compiled(frames(clips)), backbone(frames(clips)), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_onnx_export(recognizer, tmp_path):
    pytest.importorskip('onnxscript')
    model = copy.deepcopy(recognizer)
    model.backbone = plug(resnet(), [SHIFT], FRAMES)
    assert export(model, dict(frames=4, size=64), tmp_path / 'model.onnx') < 1e-4


def test_copies_and_pickles_shift_and_learn_on_their_own():
    model = plug(resnet(), [SHIFT, MODULE], FRAMES)
    x = frames()
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied(x), model(x))
        (hook,) = copied.layer1[0].conv1._forward_pre_hooks.values()
        assert hook in copied._plugin_hooks and hook not in model._plugin_hooks


@pytest.mark.parametrize('form', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_precision_and_memory_format_are_kept(dtype, form):
    model = plug(resnet().to(dtype).to(memory_format=form), [SHIFT], FRAMES.to(dtype))
    y = model(frames().to(dtype).contiguous(memory_format=form))
    assert y.dtype == dtype and y.is_contiguous(memory_format=form)


def test_replaced_convolutions_are_shifted_and_bypassed_ones_raise_an_error():
    model = plug(resnet(), [SHIFT], FRAMES)
    y = model(frames())
    model.layer2[0].conv1 = copy.deepcopy(resnet().layer2[0].conv1)
    assert torch.equal(model(frames()), y)
    model.layer2[1] = nn.Identity()
    model.layer2[1].conv1 = nn.Conv2d(1, 1, 1)
    with pytest.raises(RuntimeError, match=r"the temporal shift before='layer2.1.conv1' ran 0 times"):
        model(frames())


def test_two_places_may_have_another_shift():
    shifts = [dict(SHIFT, before='layer1.*.conv1'), dict(SHIFT, before=['layer3.0.conv1'], shift_div=4)]
    model = plug(resnet(), shifts, FRAMES)
    found = {hook.path: hook.shift_div for hook in model._plugin_hooks}
    assert found == {'layer1.0.conv1': 8, 'layer1.1.conv1': 8, 'layer3.0.conv1': 4}


def test_clip_length_of_each_batch(recognizer):
    other = copy.deepcopy(recognizer)
    other.backbone, x = resnet(), frames()
    plug_backbone(other, [SHIFT], num_segments='batch', input_size=64)
    with torch.no_grad():
        for time in (2, 4):
            expected = plug(resnet(), [SHIFT], FRAMES[:time])(x)
            assert torch.equal(other(x.unflatten(0, (-1, time)), stage='backbone'), expected)


class WithFeatures(UserResNet):
    """A network with timm's method ``forward_features``, which MMAction2 runs."""

    def forward_features(self, x):
        return super().forward(x)

    def forward(self, x):
        return self.forward_features(x).mean((2, 3))


def test_features_as_mmaction2_runs_them_of_timm():
    model = plug(WithFeatures().eval(), [SHIFT, MODULE], FRAMES)
    wake(model.plugins)
    x = frames()
    features = model.forward_features(x)
    torch.testing.assert_close(features.mean((2, 3)), model(x))
    with pytest.raises(ValueError, match='6 frames are not a multiple of num_segments=4'):
        model.forward_features(x[:6])
    model.layer4[0].conv1._forward_pre_hooks.clear()
    with pytest.raises(RuntimeError, match=r"the temporal shift before='layer4.0.conv1' ran 0 times"):
        model.forward_features(x)


class Clips(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.conv(self.conv(self.stem(x)))


@pytest.mark.parametrize(
    ('model', 'options', 'message'),
    [
        (resnet, dict(shift_div=16), "shift_div=16 of TemporalShift exceeds the 8 channels before='layer1.0.conv1'"),
        (resnet, dict(shift_div=1), 'shift_div of TemporalShift is 1, but must be an integer of at least 2'),
        (resnet, dict(before=[]), r'before=\[\] of TemporalShift must be a path'),
        (resnet, dict(before=3), 'before=3 of TemporalShift must be a path'),
        (resnet, dict(before='layer7.*'), "before='layer7.*' of TemporalShift matches no sub-module of UserResNet"),
        (resnet, dict(before='layer1.0.relu'), "before='layer1.0.relu' of UserResNet runs 2 times"),
        (
            resnet,
            dict(before='bn1'),
            r"before='bn1' of UserResNet gets shape \(8, 8, 32, 32\).* before a 2D convolution",
        ),
        (resnet, dict(after='layer1'), "TemporalShift has no argument 'after'; it accepts"),
        (Twice, dict(before='conv'), "before='conv' of Twice runs 2 times in one forward"),
        (Twice, {}, 'Twice has no residual blocks with a conv1 in sequences; set before of TemporalShift'),
        (
            lambda: ResNetTSM(18, num_segments=4, pretrained=None),
            {},
            'ResNetTSM has a temporal shift; remove TemporalShift from plugins',
        ),
        (
            lambda: ResNetTSM(18, num_segments=4, pretrained=None, is_shift=False, temporal_pool=True),
            {},
            r"before='layer2.net.0.conv1' of ResNetTSM gets shape \(4, 64, 16, 16\) for 2 clips of 4 frames",
        ),
    ],
)
def test_wrong_shifts_raise_an_error_and_leave_the_model_as_it_was(model, options, message):
    model = model()
    kind = type(model)
    with pytest.raises(ValueError, match=message):
        plug(model, [dict(SHIFT, **options)], FRAMES)
    assert type(model) is kind and not any(module._forward_pre_hooks for module in model.modules())


def test_clip_backbones_and_double_shifts_raise_an_error():
    with pytest.raises(ValueError, match=r"before='conv' of Clips gets shape \(2, 3, 4, 32, 32\) for 2 clips of 4"):
        plug(Clips(), [dict(SHIFT, before='conv')], torch.zeros(1, 3, 4, 32, 32))
    with pytest.raises(
        ValueError, match='Clips has no 2D convolutions, but TemporalShift needs a backbone that takes frames'
    ):
        plug(Clips(), [SHIFT], torch.zeros(1, 3, 4, 32, 32))
    with pytest.raises(ValueError, match="before='layer1.0.conv1' is used by two TemporalShift"):
        plug(resnet(), [SHIFT, dict(type=TemporalShift)], FRAMES)
    with pytest.raises(ValueError, match='has plugins'):
        plug(plug(resnet(), [SHIFT], FRAMES), [SHIFT], FRAMES)


@pytest.mark.parametrize('num_segments', [None, 0, 4.0, 'all'])
def test_library_backbone_needs_the_clip_length(recognizer, num_segments):
    with pytest.raises(
        ValueError, match=f'num_segments={num_segments!r} beside plugins of DyRegUserResNet must be the'
    ):
        plug_backbone(recognizer, [SHIFT], num_segments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'width', 'shifts', 'after'),
    [
        ('torchvision.resnet50', 2048, {}, 'layer3.4.conv2'),
        ('timm.resnet50', 2048, {}, 'layer3.4.conv2'),
        ('timm.resnetv2_50', 2048, {}, 'stages.2.blocks.4.conv2'),
        ('torchvision.mobilenet_v2', 1280, dict(before='features.*.conv.0', shift_div=4), 'features.12'),
        ('mmpretrain.ResNet', 512, {}, 'layer3.1.conv2'),
    ],
)
def test_shift_and_module_in_backbones_of_other_libraries(kind, width, shifts, after):
    library('torchvision.models')
    library(kind.partition('.')[0])
    own = dict(depth=18) if kind.startswith('mmpretrain') else {}
    options = dict(num_segments=4, input_size=64, plugins=[dict(SHIFT, **shifts), dict(PLUGIN, after=after)])
    model = built(dict(type=kind, **own, **options), width)
    plain = built(dict(type=kind, plugins=[], **own), width)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # timm's last norm of a block is zero
            nn.init.constant_(module.weight, 0.8)
    assert {key for key in model.state_dict() if '.plugins.' not in key} == plain.state_dict().keys()
    plain.load_state_dict(model.state_dict(), strict=False)
    x = frames(6)
    with torch.no_grad():
        logits = model(x[None], stage='head')
        single = torch.cat([model(view[None], stage='head') for view in x.split(4)])
        assert not torch.allclose(logits, plain(x[None], stage='head'), rtol=1e-3)
    torch.testing.assert_close(logits, single, rtol=1e-3, atol=1e-5)
    model.train()(x.unflatten(0, (6, 4)), stage='head').square().sum().backward()
    gradients = [parameter.grad for parameter in model.backbone.parameters()]
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


@pytest.mark.slow
def test_torchvisions_resnet50_with_shift_equals_mmaction2s_tsm(tmp_path):
    models = library('torchvision.models')
    model = models.resnet50().eval()
    torch.save(model.state_dict(), tmp_path / 'resnet50.pth')
    expected = ResNetTSM(50, num_segments=4, pretrained=str(tmp_path / 'resnet50.pth'))
    expected.init_weights()
    expected.eval()
    model.avgpool, model.fc = nn.Identity(), nn.Identity()
    plug(model, [SHIFT], FRAMES)
    with torch.no_grad():
        y = expected(frames())
        torch.testing.assert_close(model(frames()), y.flatten(1), rtol=1e-5, atol=1e-5 * y.abs().max().item())


class OwnOrder(nn.Module):
    """A block that registers its last convolution first."""

    def __init__(self):
        super().__init__()
        self.conv3, self.conv1 = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return x + self.conv3(self.conv1(x))


def test_order_of_registration_does_not_matter():
    model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), OwnOrder())
    x = frames()
    y = model[0](x).unflatten(0, (-1, 4))
    moved = torch.zeros_like(y)
    moved[:, :-1, :1], moved[:, 1:, 1:2], moved[:, :, 2:] = y[:, 1:, :1], y[:, :-1, 1:2], y[:, :, 2:]
    expected = model[1](moved.flatten(0, 1))
    torch.testing.assert_close(plug(model, [dict(SHIFT, before='1')], FRAMES)(x), expected)


def test_changed_clip_length_raises_an_error():
    model = plug(resnet(), [SHIFT], FRAMES)
    model.num_segments = 2
    with pytest.raises(ValueError, match='was changed to 2 after its plugins were built for 4 frames; build the model'):
        model(frames())


def test_shift_in_a_neck_raises_an_error():
    with pytest.raises(ValueError, match='TemporalShift shifts inputs of convolutions; set it in plugins of the back'):
        RegionNeck(in_channels=8, feature_size=7, plugin=SHIFT, num_segments=4)


def test_example_whose_frames_could_be_channels_raises_an_error():
    with pytest.raises(ValueError, match='whose second and third axis could both be the frames; use an example of ano'):
        plug(Clips(), [SHIFT], torch.zeros(1, 3, 3, 32, 32))
