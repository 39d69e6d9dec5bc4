import re
from collections import OrderedDict

import pytest
import torch
from backbone_cases import PLUGIN, toy, wake
from backbone_cases import build as recognizer
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint, save_checkpoint
from torch import nn

from dyreg_mmaction.engine.checks import check_num_segments
from dyreg_mmaction.models import DyRegGNN, add_plugins
from dyreg_mmaction.registry import MODELS


def build(*plugins, type='DyRegResNetTSM', **kwargs):
    if type == 'DyRegResNetTSM':
        kwargs = dict(num_segments=4, pretrained2d=False, **kwargs)
    return MODELS.build(dict(dict(type=type, depth=18, input_size=64, plugins=list(plugins)), **kwargs))


def after(path, **kwargs):
    return dict(PLUGIN, after=path, **kwargs)


REGIONS = dict(type='DynamicRegions')
WRONG = {
    'a block that is not there': (
        after('layer3.9.conv2.conv'),
        {},
        r"after='layer3.9.conv2.conv' is not a sub-module of DyRegResNetTSM; layer3 has \['0', '1'\]; similar paths: "
        r".*'layer3.\d.conv2.conv'",
    ),
    'a wrong name in a block': (
        after('layer3.1.conv9'),
        {},
        r"layer3.1 has \['conv1', 'conv2', 'relu'\]; similar paths: .*'layer3.1.conv2'",
    ),
    'nothing known in the path': (after('neck'), {}, r"it has \['conv1', 'maxpool', 'layer1', 'layer2', .*\]"),
    'no place': ({key: value for key, value in PLUGIN.items()}, {}, 'must be a dict like .*after='),
    'a place that is no path': (after(3), {}, 'must be a dict like .*after='),
    'an empty place': (after(''), {}, "after=''"),
    'no type': (dict(after='layer3'), {}, 'must be a dict like .*type='),
    'no dict': ('DyRegGNN', {}, "a plugin is 'DyRegGNN', but must be a dict like"),
    'an unknown plugin': (
        after('layer3', type='DyRegGNM'),
        {},
        "after 'layer3', .*: plugin type='DyRegGNM' is not registered",
    ),
    'an unknown region source': (
        after('layer3', regions=dict(type='Nope')),
        {},
        "after 'layer3', .*: .*regions type='Nope' is not registered",
    ),
    'an unknown graph': (after('layer3', graph=dict(type='Nope')), {}, "after 'layer3', .*graph type='Nope'"),
    'an unknown argument': (after('layer3', num_node=9), {}, "after 'layer3', .*num_node"),
    'an unknown argument of a part': (after('layer3', regions=dict(REGIONS, head='fc')), {}, "after 'layer3', .*head"),
    'a map that is too small': (
        after('layer4.1'),
        dict(input_size=32),
        r"DyRegGNN after 'layer4.1', a map \(C, T, H, W\) of \(512, 4, 1, 1\): .*1 x 1 cells, but .*input_size",
    ),
    'a width that is no multiple of 4': (
        after('layer3', node_channels=30, regions=dict(REGIONS, heads='pool')),
        {},
        'node_channels is 30, but must be a multiple of 4.*set it to 28 or 32',
    ),
    'a size that is predicted and fixed': (
        after('layer3', regions=dict(REGIONS, half_size=0.3)),
        {},
        'half_size=0.3 .*predict_size=False',
    ),
    'frames without a number': (
        after('layer3'),
        dict(type='DyRegResNet'),
        'DyRegResNet takes frames and does not know the clip length; set its num_segments',
    ),
    'a number of frames that is none': (after('layer3'), dict(type='DyRegResNet', num_segments=0), 'num_segments is 0'),
    'a frame size of three numbers': (after('layer3'), dict(input_size=(3, 64, 64)), 'input_size is .3, 64, 64.'),
    'frames that are too small to run at all': (
        after('layer3'),
        dict(input_size=0),
        'input_size is 0',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_invalid_plugins_raise_errors_when_built(case):
    plugin, options, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as error:
        build(plugin, **options)
    assert '\n' not in str(error.value) and len(str(error.value)) < 500


def test_two_plugins_at_one_path_raise_an_error():
    with pytest.raises(ValueError, match="after='layer3.1' is used by 2 plugins"):
        build(after('layer3.1'), after('layer2'), after('layer3.1'))


@pytest.mark.parametrize(
    'path, message',
    [
        ('relu', "after='relu' runs 2 times in one forward of DyRegToyNet"),
        ('idle', "after='idle' runs 0 times"),
        ('pair', "after='pair' of DyRegToyNet returns tuple, which is not a feature map"),
        ('vector', r"after='vector' of DyRegToyNet returns shape \(8, 8\), which is not a feature map"),
        ('pool', 'has 1 x 1 cells, but'),
    ],
)
def test_sub_module_must_output_one_map_once(path, message):
    with pytest.raises(ValueError, match=message):
        toy(path)


def test_incomplete_clips_raise_an_error():
    model = toy('second')
    assert model(torch.randn(8, 3, 32, 32)).shape == (8, 8)
    with pytest.raises(ValueError, match='6 frames are not a multiple of num_segments=4'):
        model(torch.randn(6, 3, 32, 32))


@pytest.mark.parametrize(
    'change, key',
    [
        (dict(num_nodes=9), 'plugins.second.regions.heads.1.fc.weight'),
        (dict(node_channels=4), 'plugins.second.regions.heads.0.embed.0.weight'),
    ],
)
def test_checkpoint_of_another_plugin_raises_an_error(tmp_path, change, key):
    path = str(tmp_path / 'other.pth')
    save_checkpoint({'state_dict': toy(after('second', **change)).state_dict(), 'meta': {}}, path)
    with pytest.raises(
        ValueError, match=f'{re.escape(key)} has shape .* in the checkpoint, .*set depth, widths'
    ) as error:
        load_checkpoint(toy('second'), path)
    assert '\n' not in str(error.value)


def test_checkpoint_of_another_backbone_raises_an_error(tmp_path):
    path = str(tmp_path / 'wide.pth')
    model = nn.Sequential(OrderedDict(backbone=toy('second', width=16)))
    save_checkpoint({'state_dict': model.state_dict(), 'meta': {}}, path)
    with pytest.raises(
        ValueError, match=r'backbone.first.weight has shape \(16, 3, 3, 3\) in the checkpoint, but \(8, 3'
    ):
        load_checkpoint(nn.Sequential(OrderedDict(backbone=toy('second'))), path)


def test_sizes_are_inferred_from_path_and_frames():
    model = build(after('layer1.0.conv1'), after('layer3.1'), input_size=(64, 96))
    sizes = {path: (p.norm.num_channels, *p.feature_size) for path, p in model.plugins.items()}
    assert sizes == {'layer1-0-conv1': (64, 16, 24), 'layer3-1': (256, 4, 6)}


def test_probing_does_not_change_the_model():
    model = build(after('layer3.1'), norm_eval=True, frozen_stages=1)
    torch.testing.assert_close(model.conv1.bn.running_mean, torch.zeros(64))
    assert all(m.num_batches_tracked == 0 for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert sum(len(m._forward_hooks) for m in model.modules()) == 1
    assert all(m.training for m in model.modules())
    assert all(p.device.type == 'cpu' for p in model.parameters())


def test_building_plugins_does_not_change_the_random_state():
    torch.manual_seed(0)
    toy()
    plain = torch.rand(3)
    torch.manual_seed(0)
    toy('first', 'second')
    assert torch.equal(torch.rand(3), plain)


def test_plugins_have_different_weights_and_depend_on_the_seed():
    def weight(seed, path):
        torch.manual_seed(seed)
        return toy('first', 'second').plugins[path].graph.space.send.weight

    drawn = [weight(seed, path) for seed in (0, 1) for path in ('first', 'second')]
    assert len(torch.stack(drawn).unique(dim=0)) == 4
    assert torch.equal(weight(0, 'first'), drawn[0])


def test_plugins_may_be_given_as_classes():
    assert isinstance(toy(after('second', type=DyRegGNN)).plugins['second'], DyRegGNN)


def test_any_module_can_be_a_plugin():
    class Double(nn.Module):
        def __init__(self, in_channels, feature_size):
            super().__init__()
            self.sizes = in_channels, feature_size

        def forward(self, x):
            assert x.shape == (2, 8, 4, 16, 16)  # (B,C,T,H,W)
            return 2 * x

    model = toy(dict(type=Double, after='first'))
    assert model.plugins['first'].sizes == (8, (16, 16))
    x, seen = torch.randn(8, 3, 32, 32), []
    model.relu.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(x)
    torch.testing.assert_close(seen[0], 2 * nn.functional.conv2d(x, model.first.weight, model.first.bias, 2, 1))


def test_custom_backbone_with_plugins():
    class OwnNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(3, 4, 3, (1, 2, 2))

        def forward(self, x):
            return self.conv(x).relu()

    kind = add_plugins(OwnNet, takes_clips=True)
    assert kind.__name__ == 'DyRegOwnNet' and MODELS.get('DyRegOwnNet') is kind
    model = MODELS.build(dict(type='DyRegOwnNet', plugins=[after('conv')], input_size=32))
    assert model.plugins['conv'].feature_size == (15, 15)
    x = torch.randn(2, 3, 5, 32, 32)
    assert torch.equal(model(x), nn.functional.conv3d(x, *model.conv.parameters(), stride=(1, 2, 2)).relu())


def test_plugins_in_frozen_stages_are_trained():
    model = build(after('layer1.1'), frozen_stages=2)
    model.train()
    assert not any(p.requires_grad for p in model.layer1.parameters())
    assert all(p.requires_grad for p in model.plugins.parameters())
    model(torch.randn(4, 3, 64, 64)).sum().backward()
    assert model.plugins['layer1-1'].norm.weight.grad.count_nonzero()


def test_norm_eval_does_not_affect_norms_of_plugins():
    model = build(after('layer1.1'), norm_eval=True)
    model.train()
    assert not model.layer1[0].conv1.bn.training and model.plugins['layer1-1'].training
    model.eval()
    assert not any(module.training for module in model.modules())


OWN_NORM = after('layer1.1', graph=dict(type='MultiScaleGraph', norm='BN'), type='RSTG', num_nodes=14)
del OWN_NORM['regions']


@pytest.mark.parametrize('frozen', [dict(norm_eval=True), dict(partial_bn=True)])
def test_norms_of_plugins_are_trained_if_those_of_the_backbone_are_frozen(frozen):
    model = build(OWN_NORM, **frozen)
    model.train()
    theirs = [m for m in model.layer1.modules() if isinstance(m, nn.BatchNorm2d)]
    ours = [m for m in model.plugins.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert theirs and ours
    assert not any(norm.training for norm in theirs)
    assert all(norm.training and norm.weight.requires_grad for norm in ours)
    model(torch.randn(4, 3, 64, 64))
    assert all(norm.num_batches_tracked == 1 for norm in ours)


def test_frozen_norms_of_clip_backbones_exclude_plugins():
    csn = dict(depth=50, base_channels=8, bottleneck_mode='ir', with_pool2=False, pretrained=None, pretrained2d=False)
    plugin = dict(OWN_NORM, after='layer1.0')
    model = build(plugin, type='DyRegResNet3dCSN', norm_eval=True, bn_frozen=True, **csn).train()
    ours = [m for m in model.plugins.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert ours and all(norm.training and norm.weight.requires_grad for norm in ours)


@pytest.mark.parametrize(
    'config',
    [
        dict(type='ResNet', depth=18, norm_eval=True, partial_bn=True),
        dict(type='MobileNetV2', frozen_stages=8),
        dict(type='ResNetTSM', depth=18, num_segments=4, pretrained2d=False),
        dict(type='C2D', depth=18),
    ],
    ids=lambda config: config['type'],
)
def test_backbone_without_plugins_equals_its_parent(config):
    plain, empty = (MODELS.build(dict(config, type=prefix + config['type'])) for prefix in ('', 'DyReg'))
    for mode in (True, False):
        plain.train(mode), empty.train(mode)
        for attribute in ('training', '_forward_hooks'):
            of = [[(path, getattr(m, attribute)) for path, m in model.named_modules()] for model in (plain, empty)]
            assert of[0] == of[1]
        learns = [[(key, p.requires_grad) for key, p in model.named_parameters()] for model in (plain, empty)]
        assert learns[0] == learns[1]
    assert getattr(plain, 'num_segments', None) == getattr(empty, 'num_segments', None)
    assert plain.state_dict().keys() == empty.state_dict().keys()


@pytest.mark.parametrize('dataset', ['sthv1', 'sthv2'])
def test_trn_with_and_without_plugins(dataset):
    cfg = get_config(f'mmaction::recognition/trn/trn_imagenet-pretrained-r50_8xb16-1x1x8-50e_{dataset}-rgb.py')
    cfg.model.backbone.update(type='DyRegResNet', depth=18, pretrained=None)
    cfg.model.cls_head.in_channels = 512
    for plugins in (dict(plugins=[]), dict(plugins=[after('layer3.1')], num_segments=8, input_size=64)):
        cfg.model.backbone.update(plugins)
        check_num_segments(cfg)
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(cfg.model)
        assert model(torch.randn(1, 8, 3, 64, 64), stage='head').shape == (1, 174)


def test_non_local_blocks_after_temporal_pooling_can_be_probed():
    non_local = dict(sub_sample=True, use_scale=False, norm_cfg=dict(type='BN3d'), mode='embedded_gaussian')
    blocks = ((0,) * 3, (0,) * 4, (1, 0, 0, 0, 0, 0), (0,) * 3)
    options = dict(depth=50, temporal_pool=True, non_local=blocks, non_local_cfg=non_local)
    model = build(after('layer3.1.conv2.conv'), **options)
    assert model._plugin_hooks[0].layout.num_frames == 2  # half of 4
    assert model(torch.randn(8, 3, 64, 64)).isfinite().all()


def test_testing_a_plain_checkpoint_warns(tmp_path, recwarn):
    path = str(tmp_path / 'plain.pth')
    save_checkpoint({'state_dict': toy().state_dict(), 'meta': {}}, path)
    model = toy('first', 'second')
    load_checkpoint(model, path)
    model.train()  # a start for training
    model.eval()
    assert not [w for w in recwarn if 'checkpoint has no weights' in str(w.message)]
    load_checkpoint(model.train(), path)
    with pytest.warns(
        UserWarning, match='the checkpoint has no weights for 2 of 2 plugins, which are tested untrained'
    ):
        model.eval()
    with pytest.warns(UserWarning, match='no weights for 2 of 2 plugins'):
        load_checkpoint(model, path)
    recwarn.clear()
    save_checkpoint({'state_dict': model.state_dict(), 'meta': {}}, path)
    load_checkpoint(model, path)
    assert not [w for w in recwarn if 'checkpoint has no weights' in str(w.message)]


@pytest.mark.parametrize(
    'parent, why',
    [
        ('RGBPoseConv3D', 'its input includes pose heatmaps'),
        ('STGCN', 'a skeleton, which has no feature map'),
        ('ResNetAudio', 'a spectrogram'),
        ('ResNetTIN', 'an operator of full mmcv'),
    ],
)
def test_backbone_without_plugin_support_raises_an_error(parent, why):
    config = dict(type='Recognizer3D', backbone=dict(type=f'DyReg{parent}', depth=50, plugins=[after('layer3')]))
    with DefaultScope.overwrite_default_scope('mmaction'), pytest.raises(ValueError) as error:
        MODELS.build(config)
    message = str(error.value)
    assert message.startswith(f'DyReg{parent} does not exist: ') and why in message and "'DyRegResNetTSM'" in message
    assert '\n' not in message


STAGES = dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,))


@pytest.mark.parametrize(
    'config, shape',
    [
        (dict(type='DyRegResNet', depth=50, num_segments=4, **STAGES), (4, 3, 64, 64)),
        (dict(type='DyRegResNet3d', pretrained2d=False, pretrained=None, base_channels=8), (1, 3, 4, 64, 64)),
    ],
)
def test_activation_checkpointing_gives_the_same_result(config, shape):
    results = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        model = build(after('layer2.1.conv2.conv'), with_cp=with_cp, norm_eval=True, **config)
        wake(model.plugins)
        model.train()
        x = torch.randn(3 * shape[0], *shape[1:], generator=torch.Generator().manual_seed(0))
        # batches of one and two clips wait for their backward at the same time
        outputs = [model(batch) for batch in x.split([shape[0], 2 * shape[0]])]
        sum(y.square().mean() for y in outputs).backward()
        results.append([*outputs, *(p.grad for p in model.parameters())])
    for plain, checkpointed in zip(*results, strict=True):
        torch.testing.assert_close(checkpointed, plain)


def awake(*paths, **kwargs):
    torch.manual_seed(0)
    model = build(*map(after, paths), **kwargs)
    model.eval()
    wake(model.plugins)
    return model


def test_views_and_clips_are_independent():
    model = awake('layer2.0', 'layer3.1.conv2.conv')
    views = torch.randn(6, 4, 3, 64, 64)  # twice_sample x ThreeCrop of one video, four frames each
    with torch.no_grad():
        together = model(views.flatten(0, 1)).unflatten(0, (6, 4))
        torch.testing.assert_close(together[4], model(views[4]), rtol=1e-3, atol=1e-5)
        shuffled = model(views[[5, 4, 3, 2, 1, 0]].flatten(0, 1)).unflatten(0, (6, 4)).flip(0)
    torch.testing.assert_close(shuffled, together, rtol=1e-3, atol=1e-5)


def test_max_testing_views():
    model = recognizer('TSM-R18')
    wake(model.backbone.plugins)
    views = torch.randn(1, 6 * 4, 3, 64, 64)
    with torch.no_grad():
        together = model.extract_feat(views, test_mode=True)[0]
        model.test_cfg = dict(max_testing_views=8)  # frames
        in_parts = model.extract_feat(views, test_mode=True)[0]
    torch.testing.assert_close(in_parts, together, rtol=1e-3, atol=1e-5)


def test_frames_of_a_clip_depend_on_one_another():
    model, x = awake('layer3.1', is_shift=False), torch.randn(4, 3, 64, 64)
    changed = torch.cat((x[:1] + 1, x[1:]))
    with torch.no_grad():
        assert not torch.allclose(model(changed)[3], model(x)[3])


@pytest.mark.parametrize('size', [(96, 96), (80, 48)])
def test_frames_of_another_size(size):
    model = awake('layer2.0', 'layer3.1.conv2.conv')
    assert model(torch.randn(4, 3, *size)).isfinite().all()


@pytest.mark.parametrize('frames', [1, 3, 8])
def test_clips_of_any_length(frames):
    i3d = dict(type='DyRegResNet3d', pretrained2d=False, pretrained=None, base_channels=8, with_pool2=False)
    model = awake('layer3.1', conv1_stride_t=1, pool1_stride_t=1, **i3d)
    assert model(torch.randn(2, 3, frames, 64, 64)).shape[:3] == (2, 64, frames)


def test_channels_last_frames_give_the_same_and_keep_their_format():
    model, x, layouts = awake('layer2.0', 'layer3.1.conv2.conv'), torch.randn(4, 3, 64, 64), []
    expected = model(x)
    model.to(memory_format=torch.channels_last)
    for path in ('layer2.0', 'layer3.1.conv2.conv'):  # after the plugins' own hooks
        model.get_submodule(path).register_forward_hook(
            lambda _, __, y: layouts.append(y.is_contiguous(memory_format=torch.channels_last))
        )
    y = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(y, expected, rtol=1e-3, atol=1e-4)
    assert layouts == [True, True]


def test_bf16_autocast_is_close_to_float32():
    model, x = awake('layer2.0', 'layer3.1.conv2.conv'), torch.randn(4, 3, 64, 64)
    with torch.autocast('cpu', torch.bfloat16):
        y = model(x)
    expected = model(x)
    assert (y - expected).norm() < 0.05 * expected.norm()
    y.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
