"""Plugins in models of other libraries."""

import copy
import pickle

import pytest
import torch
from backbone_cases import PLUGIN, wake
from libraries import library
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.checkpoint import checkpoint

from dyreg_mmaction import plug, record_regions
from dyreg_mmaction.models import Plugged, add_plugins
from dyreg_mmaction.models.layouts import FrameTokens
from dyreg_mmaction.registry import MODELS

CLIP = torch.zeros(1, 3, 4, 32, 32)
FRAMES = torch.zeros(4, 3, 32, 32)


class Block(nn.Module):
    """A block of a transformer, with stochastic depth."""

    def __init__(self, width, rate):
        super().__init__()
        self.attn = Attention(width)
        self.mlp = nn.Linear(width, width)
        self.drop_path = DropPath(rate)

    def forward(self, x):
        x = x + self.drop_path(self.attn(x))
        return x + self.drop_path(self.mlp(x))


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv, self.drop, self.proj = nn.Linear(width, 3 * width), nn.Dropout(0), nn.Linear(width, width)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        return self.proj((self.drop((q @ k.mT).softmax(-1)) @ v).transpose(1, 2).flatten(2))


class DropPath(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return x


class ViT(nn.Module):
    """A vision transformer of frames, as in timm."""

    def __init__(self, width=16, rate=0.0):
        super().__init__()
        self.embed = nn.Conv2d(3, width, 8, 8)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, rate) for _ in range(3)))
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.embed(x).flatten(2).mT
        return self.head(self.blocks(torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1))[:, 0])


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3, (1, 2, 2), 1)
        self.norm = nn.BatchNorm3d(8)

    def forward(self, x):
        return self.norm(self.conv(x)).relu().mean((2, 3, 4))


def after(*paths, **kwargs):
    return [dict(PLUGIN, after=path, **kwargs) for path in paths]


@pytest.mark.parametrize('kind, path, example', [(ViT, 'blocks.1', FRAMES), (ConvNet, 'conv', CLIP)])
def test_outputs_are_initially_unchanged_and_plugins_have_an_effect(kind, path, example):
    torch.manual_seed(0)
    model = kind().eval()
    plain, weights = copy.deepcopy(model), list(model.state_dict())
    x = torch.randn(3 * len(example), *example.shape[1:])
    assert plug(model, after(path), example) is model and isinstance(model, kind)
    assert torch.equal(model(x), plain(x))
    assert [key for key in model.state_dict() if not key.startswith('plugins.')] == weights
    wake(model.plugins)
    y = model(x)
    assert not torch.allclose(y, plain(x), rtol=1e-3)
    y.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.plugins.parameters())
    with record_regions(model) as record:
        model(x)
    assert record[path][0].center.shape == (3, 4, 4, 2)


def test_plugged_model_is_copied_and_pickled_with_its_plugins():
    model = plug(ViT().eval(), after('blocks.1'), FRAMES)
    wake(model.plugins)
    x = torch.randn(8, 3, 32, 32)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(copied) is type(model) and torch.equal(copied(x), model(x))
        for parameter in copied.plugins.parameters():
            parameter.data.zero_()
        assert not torch.allclose(copied(x), model(x))


def test_clips_of_a_frame_model_are_independent():
    model = plug(ViT().eval(), after('blocks.0', 'blocks.1'), FRAMES)
    wake(model.plugins)
    x = torch.randn(8, 3, 32, 32)
    torch.testing.assert_close(model(x)[4:], model(x[4:]))
    with pytest.raises(ValueError, match='6 frames are not a multiple of num_segments=4'):
        model(x[:6])


def test_layout_can_be_given():
    class Turned(nn.Module):
        """A transformer with an unusual token order: columns, rows, frames."""

        def __init__(self):
            super().__init__()
            self.embed, self.block = nn.Conv3d(3, 8, (2, 8, 8), (2, 8, 8)), nn.Linear(8, 8)

        def forward(self, x):
            return self.block(self.embed(x).permute(0, 3, 4, 2, 1).flatten(1, 3))

    layout = dict(type='Tokens', stride=(2, 8, 8), time_last=True)
    model = plug(Turned(), after('block', layout=layout), torch.zeros(1, 3, 4, 32, 48))
    assert model.plugins['block'].feature_size == (4, 6)
    seen = []
    model.plugins['block'].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    y = model(torch.randn(2, 3, 4, 32, 48))
    assert torch.equal(seen[0][1, :, 1, 2, 5], y[1, (2 * 6 + 5) * 2 + 1])


class Rearranged(nn.Module):
    """A layer whose input is the rearranged map of a convolution."""

    def __init__(self, size, rearrange):
        super().__init__()
        self.embed, self.layer, self.rearrange = nn.Conv2d(3, 8, size, size), nn.Linear(8, 8), rearrange

    def forward(self, x):
        return self.layer(self.rearrange(self.embed(x)))


@pytest.mark.parametrize(
    'size, rearrange, frames, layouts',
    [
        (4, lambda x: x.permute(0, 2, 3, 1), 4, 'Frames.* or ChannelsLast'),
        (8, lambda x: x.flatten(2).permute(2, 0, 1), 8, 'FrameTokens.*batch_first=True.* or FrameTokens.*False'),
    ],
)
def test_ambiguous_layout_raises_an_error(size, rearrange, frames, layouts):
    with pytest.raises(ValueError, match=f'may have the layout {layouts}.*; set layout'):
        plug(Rearranged(size, rearrange), after('layer'), torch.zeros(frames, 3, 32, 32))
    plug(Rearranged(size, rearrange), after('embed'), torch.zeros(frames, 3, 32, 32))


def test_layout_with_the_size_of_a_previous_map_is_preferred():
    model = Rearranged(8, lambda x: nn.functional.pad(x.flatten(2), (1, 0)).permute(2, 0, 1))
    plug(model, after('layer'), torch.zeros(16, 3, 40, 40))  # (26, 32, 8): not 13 frames of 25 cells and 7 class tokens
    assert model._plugin_hooks[0].layout == FrameTokens((8, 8), 1, False, 16)


def test_slice_of_a_sequence_has_no_plugins():
    model = plug(nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 8, 1)), after('0'), FRAMES)
    assert [*model[1:]] == [model[1], model[2]] and type(model[:2]) is nn.Sequential


def test_plugins_are_found_from_the_scope_of_another_library():
    with DefaultScope.overwrite_default_scope('mmengine'):  # as after a Runner of MMEngine
        assert list(plug(ViT(), after('blocks.1'), FRAMES).plugins) == ['blocks-1']


def test_sequence_with_plugins_can_be_extended_but_not_renumbered():
    model = plug(nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU()), after('0'), FRAMES)
    wake(model.plugins)
    y = model(FRAMES + 1)
    model.append(nn.Tanh())
    assert torch.equal(model(FRAMES + 1), y.tanh()) and type(model[2]) is nn.Tanh
    model[-1] = nn.Identity()
    assert torch.equal(model(FRAMES + 1), y)
    for change in (lambda: model.insert(0, nn.ReLU()), lambda: model.pop(0), lambda: model.__delitem__(0)):
        with pytest.raises(
            TypeError, match='insert and del would move plugins of this Sequential to other sub-modules'
        ):
            change()


WRONG = {
    'heads in place of channels': (
        after('blocks.1.attn.drop'),
        0.0,
        r"returns shape \(8, 2, 17, 17\) inside the attention 'blocks.1.attn', where channels may be split into heads",
    ),
    'stochastic depth': (
        after('blocks.1.mlp'),
        0.1,
        "'blocks.1.mlp' is inside blocks.1, whose stochastic depth skips its branches for 10% of the clips in "
        "training; put the plugin after='blocks.1', or set",
    ),
    'a layout of another kind': (
        after('blocks.1', layout='ChannelsLast'),
        0.0,
        r"'blocks.1' of ViT returns shape \(8, 17, 16\), which does not match layout='ChannelsLast': 3 axes",
    ),
    'tokens that are no cells': (
        after('blocks.1', layout=dict(type='FrameTokens', stride=(16, 16), class_tokens=1)),
        0.0,
        '17 tokens, which are not H x W . 1 class tokens',
    ),
    'a stride of too few axes': (
        after('blocks.1', layout=dict(type='FrameTokens', stride=8)),
        0.0,
        'stride=8 must be 2 positive numbers',
    ),
    'a tuple of an unknown layout': (after('blocks.1', layout='First'), 0.0, 'First requires the argument .layout.'),
    'other channels': (after('blocks.1', in_channels=8), 0.0, 'in_channels=8, but the map has 16 channels; omit'),
    'an unknown layout': (after('blocks.1', layout='Tokens2'), 0.0, "layout='Tokens2' is unknown; choose one of"),
    'a vector': (after('head'), 0.0, r'returns shape \(8, 5\), which is not a feature map of 2 clips of \(4, 32, 32\)'),
}


@pytest.mark.parametrize('case', WRONG)
def test_sub_module_without_map_raises_an_error(case):
    plugins, rate, message = WRONG[case]
    model = ViT(rate=rate)
    with pytest.raises(ValueError, match=message) as error:
        plug(model, plugins, FRAMES)
    assert '\n' not in str(error.value)
    assert type(model) is ViT and not hasattr(model, 'plugins')


def test_tokens_of_pooled_cells_raise_an_error():
    class Pooled(ViT):
        def forward(self, x):
            return self.blocks(self.embed(x).flatten(2).mT[:, :11])

    message = r'tokens match none of the previous maps .T, H, W., \[\(4, 4, 4\)\], with class tokens'
    with pytest.raises(ValueError, match=message):
        plug(Pooled(), after('blocks.1'), FRAMES)


@pytest.mark.parametrize('example', [torch.zeros(3, 32, 32), torch.zeros(2, 3, 4, 32, 32), [FRAMES]])
def test_invalid_example_raises_an_error(example):
    with pytest.raises(ValueError, match='must be one clip'):
        plug(ViT(), after('blocks.1'), example)


@pytest.mark.parametrize('plugins', [None, [], dict(type='DyRegGNN', after='blocks.1')])
def test_plugins_that_are_no_list_raise_an_error(plugins):
    with pytest.raises(ValueError, match='must be a list with at least one dict'):
        plug(ViT(), plugins, FRAMES)


def test_replaced_forward_raises_an_error():
    model = ViT()
    model.forward = lambda x: x
    with pytest.raises(ValueError, match='ViT has a replaced forward'):
        plug(model, after('blocks.1'), FRAMES)


@pytest.mark.parametrize('x', [torch.zeros(3, 4, 32, 32), [torch.zeros(1, 3, 4, 32, 32)]])
def test_input_of_other_axes_raises_an_error(x):
    model = plug(ConvNet(), after('conv'), CLIP)
    with pytest.raises(ValueError, match='ConvNet takes a tensor of 5 axes, as its example'):
        model(x)


def test_second_plug_raises_an_error():
    model = plug(ViT(), after('blocks.1'), FRAMES)
    with pytest.raises(ValueError, match='ViT has plugins'):
        plug(model, after('blocks.2'), FRAMES)


def test_plug_after_an_error():
    model = ViT().eval()
    plain, x = copy.deepcopy(model), torch.randn(8, 3, 32, 32)
    with pytest.raises(ValueError, match="'num_nodse'"):
        plug(model, [*after('blocks.0'), *after('blocks.1', num_nodse=4)], FRAMES)
    assert vars(model).keys() == vars(plain).keys() and torch.equal(model(x), plain(x))
    plug(model, after('blocks.0'), torch.zeros(8, 3, 32, 32))
    assert torch.equal(model(x), plain(x))


def test_class_of_a_user_gets_a_free_name():
    class MViT(ConvNet):
        """Class with the name of a class of MMAction2."""

    with pytest.raises(
        ValueError, match="'DyRegMViT' is registered for mmaction.*MViT; pass another name to add_plugins"
    ):
        add_plugins(MViT, takes_clips=True)
    kind = add_plugins(MViT, takes_clips=True, name='OwnMViT')
    assert issubclass(kind, Plugged) and add_plugins(MViT, takes_clips=True, name='OwnMViT') is kind
    model = MODELS.build(dict(type='OwnMViT', plugins=after('conv'), input_size=32, num_frames=4))
    assert model.plugins['conv'].feature_size == (16, 16)
    del MODELS.module_dict['OwnMViT'], MODELS.parent.module_dict['OwnMViT']


def test_classes_of_mmaction2_keep_their_names():
    from mmaction.models import SwinTransformer3D

    assert add_plugins(SwinTransformer3D, takes_clips=True) is MODELS.get('DyRegSwinTransformer3D')


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, path, kind',
    [
        ('timm.vit_tiny_patch16_224', 'blocks.7', 'FrameTokens'),
        ('timm.swin_tiny_patch4_window7_224', 'layers.2.blocks.3', 'ChannelsLast'),
        ('timm.convnext_tiny', 'stages.2.blocks.5', 'Frames'),
        ('torchvision.resnet18', 'layer3.1', 'Frames'),
        ('torchvision.swin_t', 'features.5.3', 'ChannelsLast'),
        ('torchvision.vit_b_16', 'encoder.layers.encoder_layer_7', 'FrameTokens'),
    ],
)
def test_models_of_other_libraries(name, path, kind):
    origin, _, name = name.partition('.')
    models = library(f'{origin}.models')
    model = (getattr(models, name)() if origin == 'torchvision' else models.create_model(name)).eval()
    plain = copy.deepcopy(model)
    plug(model, after(path), torch.zeros(4, 3, 224, 224))
    assert type(model._plugin_hooks[0].layout).__name__ == kind
    (plugin,) = model.plugins.values()
    assert plugin.feature_size == (14, 14)
    x = torch.randn(8, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(model(x), plain(x))


@pytest.mark.slow
def test_clip_models_of_torchvision():
    model = library('torchvision.models.video').r3d_18().eval()
    plain = copy.deepcopy(model)
    plug(model, after('layer3.1'), torch.zeros(1, 3, 8, 64, 64))
    x = torch.randn(2, 3, 8, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), plain(x))


def test_attributes_of_the_model_are_not_overwritten():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8))
    model.input_size, model.num_frames, model.channels_last = 7, 7, True
    plug(model, after('0'), FRAMES)
    model.append(nn.ReLU())
    assert (model.input_size, model.num_frames, model.channels_last) == (7, 7, True)
    assert model(torch.randn(4, 3, 32, 32)).min() == 0 and len(model) == 3
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1))
    model.num_segments = 8
    with pytest.raises(
        ValueError, match='example has 4 frames, but num_segments of Sequential is 8; use the same number'
    ):
        plug(model, after('0'), FRAMES)


class Columns(nn.Module):
    """A model that runs its children in turn."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 8, 8), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


class Awkward(ConvNet):
    """A model that does not run on the meta device, with its input's name."""

    def __init__(self):
        super().__init__()
        self.scale = torch.full((1, 3, 1, 1, 1), 2.0)

    def forward(self, pixel_values):
        time = torch.arange(pixel_values.shape[2])[:, None, None]
        return super().forward(pixel_values * self.scale + time if pixel_values.max().item() < 100 else pixel_values)


class TimeFirst(ConvNet):
    def forward(self, x):
        return super().forward(x.transpose(1, 2))


@pytest.mark.parametrize(
    'kind, path, example',
    [
        (Columns, 'first', FRAMES),
        (Columns, 'first', FRAMES[:1]),
        (Awkward, 'conv', CLIP),
        (TimeFirst, 'conv', torch.zeros(1, 5, 3, 32, 32)),
        (ConvNet, 'conv', CLIP.bfloat16()),
        (ConvNet, 'conv', CLIP.double()),
        (ConvNet, 'conv', CLIP[:, :, :1]),
    ],
)
def test_unusual_models_and_inputs(kind, path, example):
    model = kind().eval().to(example.dtype)
    plain = copy.deepcopy(model)
    plug(model, after(path), example)
    x = torch.randn(2 * len(example), *example.shape[1:], dtype=example.dtype)
    assert torch.equal(model(x), plain(x))
    wake(model.plugins)
    y = model(**dict(pixel_values=x)) if kind is Awkward else model(x)
    assert y.isfinite().all() and not torch.equal(y, plain(x))


def test_stride_of_tokens_with_an_odd_input_size():
    model = nn.Sequential(nn.Conv3d(3, 8, (2, 8, 8), (2, 8, 8)), nn.Flatten(2), Transposed(), nn.Linear(8, 8))
    plug(model, after('3'), torch.zeros(1, 3, 5, 37, 51))
    assert model._plugin_hooks[0].layout.stride == (2, 8, 8)
    assert model(torch.randn(1, 3, 7, 64, 41)).shape == (1, 3 * 8 * 5, 8)


class Transposed(nn.Module):
    def forward(self, x):
        return x.mT


class Checkpointed(ViT):
    """Recomputes its blocks in backward, by PyTorch's function or not at all."""

    def forward(self, x):
        x = self.embed(x).flatten(2).mT
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.training else block(x)
        return self.head(x.mean(1))


def test_gradients_of_a_model_that_checkpoints_its_blocks():
    model = plug(Checkpointed(), after('blocks.1'), FRAMES)
    wake(model.plugins)
    found = []
    for training in (True, False):
        model.train(training)
        outputs = [model(x) for x in (torch.ones(4, 3, 32, 32), torch.ones(8, 3, 24, 32))]  # two batches in flight
        model.zero_grad()
        sum(y.square().sum() for y in outputs).backward()
        found.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    torch.testing.assert_close(*found)


def test_checkpointed_block_with_ambiguous_batches_raises():
    model = plug(Checkpointed().train(), after('blocks.1'), FRAMES)
    outputs = [model(torch.ones(4, 3, *size)) for size in ((24, 32), (32, 24))]  # as many tokens
    with pytest.raises(RuntimeError, match="'blocks.1' runs outside of a forward of its backbone"):
        outputs[0].sum().backward()


@pytest.mark.parametrize(
    'wrap, reason',
    [
        (torch.nn.DataParallel, 'DataParallel is distributed'),
        (lambda model: torch.compile(model, backend='eager'), 'OptimizedModule is compiled'),
        (torch.fx.symbolic_trace, 'is a traced graph'),
        (lambda model: nn.Sequential(plug(model, after('first'), FRAMES)), 'Sequential has plugins'),
    ],
)
def test_wrapped_model_raises(wrap, reason):
    model = wrap(nn.Sequential(nn.Identity()) if reason.endswith('graph') else Columns())
    with pytest.raises(ValueError, match=f'{reason}.*; use the original model, and insert all plugins at once'):
        plug(model, after('first'), FRAMES)


def test_tokens_in_the_order_of_mask_units_raise():
    class Unroll(nn.Identity):
        pass

    model = ViT()
    model.unroll = Unroll()
    with pytest.raises(ValueError, match="'blocks.1' is inside a ViT, whose tokens are in the order of mask units"):
        plug(model, after('blocks.1'), FRAMES)


def test_block_that_returns_a_tuple():
    class Pair(Block):
        def forward(self, x):
            return super().forward(x), None

    class Net(ViT):
        def forward(self, x):
            x = self.embed(x).flatten(2).mT
            for block in self.blocks:
                x, _ = block(x)
            return self.head(x.mean(1))

    model = Net().eval()
    model.blocks = nn.ModuleList(Pair(16, 0.0) for _ in range(3))
    plain = copy.deepcopy(model)
    plug(model, after('blocks.1'), FRAMES)
    x = torch.randn(4, 3, 32, 32)
    assert torch.equal(model(x), plain(x))
    wake(model.plugins)
    assert not torch.equal(model(x), plain(x))
