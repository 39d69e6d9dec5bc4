"""Every plugin runs exactly once at its position, after any conversion of the backbone."""

import copy
import warnings

import pytest
import torch
from backbone_cases import PLUGIN, wake
from mmcv.cnn import ConvModule, fuse_conv_bn
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from torch import nn

from dyreg_mmaction.models import Plugged
from dyreg_mmaction.models.building import build as build_part
from dyreg_mmaction.models.layouts import Clips, Frames
from dyreg_mmaction.models.plugin_hook import PluginHook
from dyreg_mmaction.registry import MODELS


class NormNet(nn.Module):
    """Two convolutions with norms, the second of which can be bypassed or repeated."""

    def __init__(self):
        super().__init__()
        self.first = ConvModule(3, 8, 3, 2, 1, norm_cfg=dict(type='BN'))
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.repeats = 1
        for norm in (self.first.bn, self.second[1]):
            nn.init.normal_(norm.weight), nn.init.normal_(norm.bias), nn.init.normal_(norm.running_mean)

    def forward(self, x):
        x = self.first(x)
        return sum(self.second(x) for _ in range(self.repeats))


@MODELS.register_module()
class DyRegNormNet(Plugged, NormNet):
    """With plugins."""

    takes_clips = False


def net(*after):
    torch.manual_seed(0)
    plugins = [dict(PLUGIN, after=path) for path in after]
    model = DyRegNormNet(plugins=plugins, num_segments=4, input_size=32).eval()
    for plugin in model.plugins.values():
        wake(plugin)
    return model


@pytest.fixture
def frames():
    return torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


THROUGH = [
    pytest.param(lambda model: model, id='eager'),
    pytest.param(lambda model: torch.compile(model, backend='eager'), id='compiled', marks=pytest.mark.slow),
]
CONVERSIONS = {
    'to SyncBN': convert_sync_batchnorm,
    "by torch's own": nn.SyncBatchNorm.convert_sync_batchnorm,
    'to SyncBN and back': lambda model: revert_sync_batchnorm(convert_sync_batchnorm(model)),
    'and copied': lambda model: copy.deepcopy(convert_sync_batchnorm(model)),
}


@pytest.mark.parametrize('how', CONVERSIONS)
@pytest.mark.parametrize('through', THROUGH)
def test_converted_norms_keep_plugins(how, through, frames):
    model = net('first.bn', 'second.1')
    expected = model(frames)
    converted = CONVERSIONS[how](model)
    for module in converted.modules():  # new norms are in training mode; eval() would already attach the plugins
        module.training = False
    converted = through(converted)
    torch.testing.assert_close(converted(frames), expected)  # compiled GRUs add in another order
    torch.testing.assert_close(converted(frames), expected)  # compiled GRUs add in another order


def test_converted_copy_does_not_change_the_original(frames):
    model = net('second.1')
    expected = model(frames)
    convert_sync_batchnorm(copy.deepcopy(model))(frames)
    assert torch.equal(model(frames), expected)
    assert len(model.second[1]._forward_hooks) == 1


def test_replaced_plugin_is_used(frames):
    model = net('second.1')
    model.plugins['second-1'] = nn.Identity()
    plain = net()
    assert torch.equal(model(frames), plain(frames))


def test_wrapped_sub_module_is_refined_after_its_wrapper(frames):
    model, plain, seen = net('second'), net(), []
    model.second = nn.Sequential(model.second, nn.Tanh())
    model.plugins['second'].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(frames)
    expected = plain(frames).tanh().unflatten(0, (2, 4)).transpose(1, 2)
    assert len(seen) == 1 and torch.equal(seen[0], expected)


@pytest.mark.parametrize('repeats', [0, 2])
@pytest.mark.parametrize('through', THROUGH)
def test_plugin_that_does_not_run_once_raises_an_error(repeats, through, frames):
    model = net('first', 'second')
    assert through(model)(frames).isfinite().all()
    model.repeats = repeats
    with pytest.raises(RuntimeError, match=f"after='second' ran {repeats} times in one forward, but must run once"):
        through(model)(frames)


def test_norm_folded_across_a_plugin_raises_an_error(frames):
    for path, norm in (('first.conv', 'first.bn'), ('second.0', 'second.1')):
        model = fuse_conv_bn(net(path))
        with pytest.raises(RuntimeError, match=f"'{norm}' is folded .* after='{path}', which must be between"):
            model(frames)
        with pytest.raises(RuntimeError, match='is folded'):
            model.eval()


@pytest.mark.parametrize('path', ['first.bn', 'second.1', 'second', 'first'])
def test_norm_folded_elsewhere_is_accepted(path, frames):
    model = net(path)
    expected = model(frames)
    torch.testing.assert_close(fuse_conv_bn(model)(frames), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('path', ['first.conv', 'first.bn'])
def test_norms_folded_by_mmcv_raise_an_error(path, frames):
    model = net(path)
    model.first.turn_on_efficient_conv_bn_eval()
    with pytest.raises(RuntimeError, match='is folded' if path == 'first.conv' else 'ran 0 times'):
        model(frames)


@pytest.mark.parametrize('path', ['second.0', 'second.1'])
def test_norms_folded_by_mmengine_raise_an_error(path, frames):
    model = net(path)
    turn_on_efficient_conv_bn_eval(model, 'second')
    with pytest.raises(RuntimeError, match='ran 0 times'):
        model(frames)


def c2d(**kwargs):
    torch.manual_seed(0)
    stages = dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,))
    plugins = [dict(PLUGIN, after='layer2.1.conv2')]
    model = MODELS.build(dict(type='DyRegC2D', depth=50, input_size=32, plugins=plugins, **stages, **kwargs))
    wake(model.plugins)
    return model


def test_clips_of_a_c2d_batch_are_independent():
    model, clips = c2d().eval(), torch.randn(3, 3, 4, 32, 32)
    with torch.no_grad():
        together, alone = model(clips), torch.cat([model(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


def test_recomputed_c2d_blocks_use_their_number_of_clips():
    grads = []
    for with_cp in (False, True):
        model = c2d(with_cp=with_cp, norm_eval=True).train()
        outputs = [model(torch.ones(clips, 3, 4, 32, 32)) for clips in (1, 2)]  # both wait for their backward
        sum(y.square().mean() for y in outputs).backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(grads[1], grads[0])


class Places(nn.Module):
    """A sub-module for a plugin."""

    def __init__(self):
        super().__init__()
        self.place = nn.Identity()


FORMATS = {4: (torch.contiguous_format, torch.channels_last), 5: (torch.contiguous_format, torch.channels_last_3d)}


@pytest.mark.parametrize('kind', ['DyRegGNN', 'ConvLSTM'])
@pytest.mark.parametrize('clips, frames', [(2, 3), (2, 1), (1, 1)])
@pytest.mark.parametrize('axes', FORMATS)
def test_output_of_a_plugin_has_the_memory_format_of_its_input(kind, clips, frames, axes):
    """Axes with one element also have strides, which the next convolution reads."""
    torch.manual_seed(0)
    cfg = PLUGIN if kind == 'DyRegGNN' else dict(type=kind)
    plugin = build_part(cfg, 'plugin', in_channels=8, feature_size=(6, 6))
    place = Places()
    layout = Frames(frames) if axes == 4 else Clips()
    hook = PluginHook(place, nn.ModuleDict({'place': plugin}), 'place', layout)
    shape = (clips * frames, 8, 6, 6) if axes == 4 else (clips, 8, frames, 6, 6)
    for memory_format in FORMATS[axes]:
        x = torch.empty(shape, memory_format=memory_format).normal_().requires_grad_()
        y = hook(place.place, (x,), x)
        assert y.stride() == x.stride()
        y.sum().backward()
        assert x.grad.isfinite().all()


class ClipNet(nn.Module):
    """A 1x1 convolution after a sub-module with one frame, as in the last stage of I3D."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(3, 8, 3, (16, 2, 2), 1)
        self.second = nn.Conv3d(8, 8, 1)

    def forward(self, x):
        return self.second(self.first(x))


@MODELS.register_module()
class DyRegClipNet(Plugged, ClipNet):
    """With plugins."""

    takes_clips = True


def trained(*after, wrap=lambda model: model, **kwargs):
    """A network with gradients, and warnings about their strides."""
    torch.manual_seed(0)
    model = DyRegClipNet(plugins=[dict(PLUGIN, after=path) for path in after], input_size=16, **kwargs)
    wake(model.plugins) if after else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        wrap(model)(torch.randn(2, 3, 8, 16, 16)).square().mean().backward()
    return model, [warning.message for warning in caught if 'strides' in str(warning.message)]


def test_ddp_does_not_warn_about_strides(tmp_path):
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        model, caught = trained('first', wrap=nn.parallel.DistributedDataParallel)
    finally:
        torch.distributed.destroy_process_group()
    assert not caught
    assert all(parameter.grad.stride() == parameter.stride() for parameter in model.parameters())


def test_gradients_after_a_plugin_have_the_strides_of_the_plain_model():
    for channels_last in (False, True):
        plain, plugged = (trained(*after, channels_last=channels_last)[0] for after in ((), ('first',)))
        for name, parameter in plain.named_parameters():
            assert plugged.get_parameter(name).grad.stride() == parameter.grad.stride(), name
