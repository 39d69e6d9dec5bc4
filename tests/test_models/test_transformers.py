"""DyReg transformers: configs of the model zoo, and details of tokens."""

import pytest
import torch
from backbone_cases import PLUGIN, backbone_config, build, inputs, logits, wake
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import nn

from dyreg_mmaction.registry import MODELS

ZOO = {
    'swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb': ('layers.2.blocks.3', (384, 14)),
    'videomae/vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400': ('blocks.7', (768, 14)),
    'videomaev2/vit-small-p16_videomaev2-vit-g-dist-k710-pre_16x4x1_kinetics-400': ('blocks.7', (384, 14)),
    'mvit/mvit-small-p244_32xb16-16x4x1-200e_kinetics400-rgb': ('blocks.10', (384, 14)),
    'uniformer/uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb': ('blocks3.5', (320, 14)),
    'uniformerv2/uniformerv2-base-p16-res224_clip_8xb32-u8_kinetics400-rgb': ('transformer.resblocks.8', (768, 14)),
    'timesformer/timesformer_divST_8xb8-8x32x1-15e_kinetics400-rgb': ('transformer_layers.layers.8', (768, 14)),
}
FRAMES = {'swin': 32, 'uniformerv2': 8, 'timesformer': 8}  # of the pipelines; else 16


@pytest.mark.slow
@pytest.mark.parametrize('name', ZOO)
def test_model_zoo_config_with_three_lines_starts_bit_equal(name):
    after, (channels, side) = ZOO[name]
    cfg = get_config(f'mmaction::recognition/{name}.py').model
    models = []
    for lines in ({}, dict(type=f'DyReg{cfg.backbone.type}', plugins=[dict(type='DyRegGNN', after=after)])):
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmaction'):
            models.append(MODELS.build(dict(cfg, backbone=dict(cfg.backbone, **lines))).eval())
    plain, plugged = models
    (plugin,) = plugged.backbone.plugins.values()
    assert (plugin.norm.num_channels, plugin.feature_size) == (channels, (side, side))
    own = plugged.state_dict()
    assert all(torch.equal(own[key], value) for key, value in plain.state_dict().items())
    if 'small' not in name:  # the logits of the others are tested with small models, in test_backbone_table.py
        return
    clip = torch.randn(1, 1, 3, FRAMES.get(name.partition('/')[0], 16), 224, 224)
    with torch.no_grad():
        assert torch.equal(logits(plugged, clip), logits(plain, clip))


@pytest.mark.parametrize('width, heads, patch', [(384, 6, 16), (1408, 16, 14)])
def test_widths_of_videomae(width, heads, patch):
    cfg = dict(type='DyRegVisionTransformer', img_size=56, patch_size=patch, embed_dims=width, num_heads=heads, depth=2)
    model = MODELS.build(dict(cfg, num_frames=4, plugins=[dict(PLUGIN, after='blocks.0')]))
    side = 56 // patch
    assert model.plugins['blocks-0'].feature_size == (side, side)
    assert model(torch.randn(1, 3, 4, 56, 56)).shape == (1, width)


@pytest.mark.parametrize('name', ['VideoMAE', 'MViT', 'UniFormerV2', 'TimeSformer'])
def test_class_tokens_are_unchanged_and_cells_keep_their_positions(name):
    model = build(name)
    backbone, x = model.backbone, inputs(name)
    hook = backbone._plugin_hooks[-1]
    place = backbone.get_submodule(hook.path)
    seen, inside = [], []
    hook.handle.remove()
    place.register_forward_hook(lambda _, __, output: seen.append(output))  # before the plugin
    hook.handle = place.register_forward_hook(hook)
    place.register_forward_hook(lambda _, __, output: seen.append(output))  # after it

    class Mark(nn.Module):
        """Adds 100 to one cell: the second frame, first row, third column."""

        def forward(self, x):
            inside.append(x)
            y = x.clone()
            y[:, :, 1, 0, 2] += 100
            return y

    backbone.plugins[hook.key] = Mark()
    with torch.no_grad():
        logits(model, x)
    before, after = ((out[0] if isinstance(out, tuple) else out) for out in seen)
    changed = (after - before).abs().amax(-1) > 50  # without channels
    assert changed.sum() == 1
    _, _, time, height, width = inside[0].shape
    cells = before.shape[0 if name == 'UniFormerV2' else 1] - (height * width * (1 if name == 'UniFormerV2' else time))
    expected = {
        'UniFormerV2': (cells + 2, 1),
        'TimeSformer': (0, cells + 2 * time + 1),
    }.get(name, (0, cells + height * width + 2))
    assert changed.nonzero().tolist() == [list(expected)]


def swin(**kwargs):
    torch.manual_seed(0)
    arch = dict(embed_dims=16, depths=[1, 2], num_heads=[1, 2])
    cfg = dict(type='DyRegSwinTransformer3D', arch=arch, window_size=(2, 4, 4), out_indices=(1,), pretrained2d=False)
    plugins = [dict(PLUGIN, after='layers.1.blocks.0.mlp'), dict(PLUGIN, after='layers.1.blocks.1')]
    model = MODELS.build(dict(cfg, plugins=plugins, input_size=32, num_frames=4, **kwargs))
    wake(model.plugins)
    return model


def test_activation_checkpointing_of_swin_gives_the_same_result():
    results = []
    for with_cp in (False, True):
        model = swin(with_cp=with_cp, drop_path_rate=0).train()
        outputs = [model(torch.ones(clips, 3, 4, 32, 32, requires_grad=True)) for clips in (1, 2)]
        sum(y.square().mean() for y in outputs).backward()
        results.append([*outputs, *(p.grad for p in model.parameters() if p.grad is not None)])
    for plain, checkpointed in zip(*results, strict=True):
        torch.testing.assert_close(checkpointed, plain)


def test_plugin_in_a_stochastic_depth_branch_raises_an_error():
    with pytest.raises(ValueError, match="'layers.1.blocks.0.mlp' is inside layers.1.blocks.0, whose stochastic depth"):
        swin()


@pytest.mark.parametrize(
    'name, after, message',
    [
        ('VideoMAE', 'blocks.1.attn.attn_drop', r"inside the attention 'blocks.1.attn', where channels"),
        ('MViT', 'blocks.1.attn.pool_q', r"inside the attention 'blocks.1.attn', where channels"),
        ('Swin', 'layers.1.blocks.1.attn.qkv', 'tokens match none of the previous maps'),
        ('VideoMAE', 'patch_embed', 'returns tuple, which is not a feature map'),
        ('VideoMAE', 'fc_norm', r'returns shape \(2, 32\), which is not a feature map'),
    ],
)
def test_plugin_inside_attention_raises_an_error(name, after, message):
    cfg = dict(backbone_config(name, drop_path_rate=0), plugins=[dict(PLUGIN, after=after)])
    with pytest.raises(ValueError, match=message):
        MODELS.build(cfg)
