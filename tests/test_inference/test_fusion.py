"""`fuse_for_inference`: an equivalent, faster network."""

import copy
import os
import pickle
import platform
import subprocess
import sys

import pytest
import torch
from backbone_cases import CASES, PLUGIN, backbone_config, backbone_of, build, inputs, logits, wake
from mmaction.models.backbones.resnet_tsm import TemporalShift
from mmcv.cnn import ConvModule
from mmengine.registry import DefaultScope
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.inference.layers import FusedBlock, FusedConv
from dyreg_mmaction.registry import MODELS


def awake(name, **kwargs):
    """Return a recognizer with non-trivial norm statistics and residuals that are not 0."""
    return waken(build(name, **kwargs))


def backbone(name, plugins, **kwargs):
    """Return the backbone of a recognizer with other plugins."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build({**backbone_config(name), 'plugins': plugins, **kwargs})
    model.eval()
    return waken(model)


def waken(model):
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.8, 1.2, generator=generator)
    for plugin in getattr(backbone_of(model), 'plugins', {}).values():
        wake(plugin)
    return model


@torch.no_grad()
def run(model, name, batch=2):
    return logits(model, inputs(name, batch))


def difference(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


FAST = ('TSM-R18', 'ResNet', 'C2D')


@pytest.mark.parametrize(
    'name', [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_fused_backbones_give_the_same_features(name):
    model = awake(name)
    before = copy.deepcopy(model.state_dict())
    fused = dyreg_mmaction.fuse_for_inference(model)
    assert difference(run(fused, name), run(model, name)) < 1e-5
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    assert not any(parameter.requires_grad for parameter in fused.parameters())


@pytest.mark.slow
def test_fused_layers_and_position_of_plugins():
    model = awake('TSM-R50')
    fused = dyreg_mmaction.fuse_for_inference(model).backbone
    plugged = [path.rpartition('.')[0] for path in CASES['TSM-R50'].after]
    for path, module in fused.named_modules():
        if isinstance(module, ConvModule):
            assert isinstance(module.norm, nn.Identity) == (path not in plugged), path
    assert not any(type(module) is TemporalShift for module in fused.modules())
    assert all(type(block) is FusedBlock for stage in fused.res_layers for block in getattr(fused, stage))
    with dyreg_mmaction.record_regions(fused) as record, torch.no_grad():
        fused(inputs('TSM-R50')[0])
    assert sorted(record) == CASES['TSM-R50'].after and all(len(regions) == 1 for regions in record.values())


@pytest.mark.parametrize(
    'after',
    [
        'layer3.0',
        'layer3.1.conv2',
        'layer3.1.conv2.bn',
        'layer3.1.conv1.conv.net',
        'layer3.1.conv1.activate',
        'layer3.0.relu',
        'conv1.activate',
        'maxpool',
    ],
)
def test_plugins_at_other_positions(after):
    model = backbone('TSM-R18', [dict(PLUGIN, after=after)])
    fused, x = dyreg_mmaction.fuse_for_inference(model), inputs('TSM-R18')[0]
    with torch.no_grad():
        expected = model(x)
        assert difference(fused(x), expected) < 1e-5
        for plugin in fused.plugins.values():
            nn.init.zeros_(plugin.norm.weight), nn.init.zeros_(plugin.norm.bias)
        assert difference(fused(x), expected) > 1e-4  # it ran


def small(depth=18, **kwargs):
    return waken(backbone('TSM-R18' if depth == 18 else 'SlowOnly', [], **kwargs))


@pytest.mark.parametrize('path', ['conv1.activate', 'layer2.0.conv1.activate', 'layer2.0.relu', 'layer2.1.conv2.bn'])
@pytest.mark.parametrize('kind', ['forward', 'forward with kwargs', 'before'])
def test_hooks_receive_the_same_values(path, kind):
    model, seen = small(), []
    module = model.get_submodule(path)
    if kind == 'forward':
        module.register_forward_hook(lambda _, __, y: seen.append(y.clone()))
    elif kind == 'forward with kwargs':
        module.register_forward_hook(lambda _, __, ___, y: seen.append(y.clone()), with_kwargs=True)
    else:
        module.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    x = inputs('TSM-R18')[0]
    with torch.no_grad():
        outputs = [model(x), dyreg_mmaction.fuse_for_inference(model)(x)]
    assert len(seen) == 2
    for expected, found in (seen, outputs):
        assert difference(found, expected) < 1e-5


@pytest.mark.parametrize('kind', ['before', 'after', 'input'])
def test_features_kept_by_hooks_are_not_overwritten(kind):
    """The hook is added before or after the fusion, or to the next block's input."""
    model, x, found = small(), inputs('TSM-R18')[0], []
    places = ['layer1.0', 'layer2.0', 'layer2.1', 'layer3.0'] if kind != 'input' else ['layer1.1', 'layer2.1.conv1']

    def keep(model, features):
        for path in places:
            model.get_submodule(path).register_forward_hook(
                lambda _, args, y: features.append(args[0] if kind == 'input' else y)
            )
        return model

    for fuse in (False, True):
        features = []
        each = small()
        each.load_state_dict(model.state_dict())
        if kind == 'after':
            each = keep(dyreg_mmaction.fuse_for_inference(each) if fuse else each, features)
        else:
            each = keep(each, features)
            each = dyreg_mmaction.fuse_for_inference(each) if fuse else each
        with torch.no_grad():
            each(x)
        found.append(features)
    for expected, given in zip(*found, strict=True):
        assert difference(given, expected) < 1e-5


def test_other_activations_are_kept():
    model = small(50, act_cfg=dict(type='LeakyReLU', negative_slope=0.2))
    x = inputs('SlowOnly')[0]
    with torch.no_grad():
        assert difference(dyreg_mmaction.fuse_for_inference(model)(x), model(x)) < 1e-5


@pytest.mark.parametrize('depth, name', [(18, 'TSM-R18'), (50, 'SlowOnly')])
@pytest.mark.parametrize('dtype, similarity', [(torch.float32, 0.999), (torch.bfloat16, 0.95)])
def test_gradients_of_input_and_features(depth, name, dtype, similarity):
    """Grad-CAM needs these gradients."""
    model, found = small(depth), []
    for each in (model, dyreg_mmaction.fuse_for_inference(model, dtype)):
        features = []
        each.layer3.register_forward_hook(lambda _, __, y, features=features: features.append(y))
        x = inputs(name)[0].requires_grad_()
        of_features, of_x = torch.autograd.grad(each(x).square().mean(), [*features, x])
        found.append((of_features.float(), of_x))
    for expected, given in zip(*found, strict=True):
        assert nn.functional.cosine_similarity(given.flatten(), expected.flatten(), 0) > similarity


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_fused_model_can_be_pickled_and_copied(dtype, tmp_path):
    model = backbone('TSM-R18', [dict(PLUGIN, after='layer3.0')])
    x = inputs('TSM-R18')[0]
    with torch.no_grad():
        fused = dyreg_mmaction.fuse_for_inference(model, dtype)
        expected = fused(x)
        torch.save(fused, tmp_path / 'fused.pth')
        again = [
            pickle.loads(pickle.dumps(fused)),
            torch.load(tmp_path / 'fused.pth', weights_only=False),
            copy.deepcopy(fused),
            dyreg_mmaction.fuse_for_inference(fused, dtype),
        ]
        for each in again:
            assert type(each) is type(fused) and isinstance(each, type(model))
            assert torch.equal(each(x), expected)


HALF = """
import torch
from torch import nn
from dyreg_mmaction.inference.layers import FusedConv
print(torch.ops.mkldnn._is_mkldnn_bf16_supported(), end=' ')
for dtype in (torch.bfloat16, torch.float16):
    for conv in (nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Conv3d(4, 6, (1, 3, 3), padding=(0, 1, 1))):
        x = torch.randn(2, 4, *[7] * (conv.weight.ndim - 2))
        with torch.no_grad():
            y = conv(x)
            for residual, expected in ((None, y.relu()), (torch.ones_like(y), (y + 1).relu())):
                found = FusedConv(conv, None, True, dtype)(x, residual)
                assert found.dtype == dtype
                torch.testing.assert_close(found.float(), expected, rtol=2e-2, atol=2e-2)
"""


def test_half_precision_without_avx512():
    older = dict(ONEDNN_MAX_CPU_ISA='AVX2', ATEN_CPU_CAPABILITY='avx2')
    done = subprocess.run([sys.executable, '-c', HALF], env={**os.environ, **older}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert platform.machine() != 'x86_64' or done.stdout == 'False '  # the kernels were missing


@pytest.mark.slow
@pytest.mark.parametrize('name', ['TSM-R50', 'I3D-R50'])
def test_bfloat16(name):
    model = awake(name)
    fused = dyreg_mmaction.fuse_for_inference(model, torch.bfloat16)
    expected, found = run(model, name), run(fused, name)
    assert found.dtype == torch.float32
    assert 1e-5 < difference(found, expected) < 2e-2
    assert torch.equal(found.argmax(1), expected.argmax(1))


def test_plain_backbone_of_mmaction2():
    model = build('TSM-R18', plugins=False)
    fused = dyreg_mmaction.fuse_for_inference(model.backbone)
    with torch.no_grad():
        x = inputs('TSM-R18')[0]
        torch.testing.assert_close(fused(x), model.backbone(x), rtol=1e-4, atol=1e-5)


def test_input_and_outputs_of_stages_are_not_overwritten():
    model = backbone('TSM-R18', [], out_indices=(0, 1, 2, 3))
    fused = dyreg_mmaction.fuse_for_inference(model)
    x = inputs('TSM-R18')[0]
    before = x.clone()
    with torch.no_grad():
        for found, expected in zip(fused(x), model(x), strict=True):
            assert difference(found, expected) < 1e-5
    assert torch.equal(x, before)


def test_other_dtypes_raise_an_error():
    with pytest.raises(ValueError, match='dtype is torch.int8, but must be one of torch.float32, torch.bfloat16'):
        dyreg_mmaction.fuse_for_inference(nn.Linear(1, 1), torch.int8)


@pytest.mark.parametrize(
    'conv', [nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Conv3d(4, 6, (1, 3, 3), padding=(0, 1, 1))]
)
@pytest.mark.parametrize('affine', [True, False])
def test_convolution_norm_residual_and_relu(conv, affine):
    norm = (nn.BatchNorm2d if conv.weight.ndim == 4 else nn.BatchNorm3d)(6, affine=affine)
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    if affine:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    norm.eval()
    x = torch.randn(2, 4, *[7] * (conv.weight.ndim - 2))
    with torch.no_grad():
        y = norm(conv(x))
        residual = torch.randn_like(y)
        torch.testing.assert_close(FusedConv(conv, norm, False, torch.float32)(x), y, rtol=1e-4, atol=1e-5)
        fused = FusedConv(conv, norm, True, torch.float32)
        torch.testing.assert_close(fused(x), y.relu(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fused(x, residual.clone()), (y + residual).relu(), rtol=1e-4, atol=1e-5)
        with torch.backends.mkldnn.flags(enabled=False):  # as on a GPU
            torch.testing.assert_close(fused(x, residual.clone()), (y + residual).relu(), rtol=1e-4, atol=1e-5)


class TimmNet(nn.Module):
    """A backbone of which MMAction2 runs ``forward_features``, as of timm's."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward_features(self, x):
        return self.conv(x)

    def forward(self, x):
        return self.forward_features(x).mean((2, 3))


class TorchvisionNet(TimmNet):
    """A backbone of which MMAction2 runs ``features``, as of some of torchvision's."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(self.conv)


@pytest.mark.parametrize(
    ('origin', 'kind', 'method'),
    [('timm', TimmNet, 'forward_features'), ('torchvision', TorchvisionNet, 'features'), ('mmaction2', TimmNet, '')],
)
def test_low_precision_of_what_mmaction2_runs_of_other_libraries(origin, kind, method):
    torch.manual_seed(0)
    recognizer, x = nn.Module(), torch.randn(4, 3, 8, 8)
    recognizer.backbone, recognizer.backbone_from = kind(), origin
    fused = pickle.loads(pickle.dumps(dyreg_mmaction.fuse_for_inference(recognizer, torch.bfloat16)))
    with torch.no_grad():
        given, expected = (getattr(model.backbone, method or '__call__')(x) for model in (fused, recognizer))
    assert given.dtype == torch.float32 and 1e-4 < difference(given, expected) < 0.02
