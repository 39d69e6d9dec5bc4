"""One small recognizer for each backbone with plugins."""

import copy
from typing import NamedTuple

import torch
from mmengine.registry import DefaultScope

from dyreg_mmaction.models import Plugged
from dyreg_mmaction.registry import MODELS

PLUGIN = dict(type='DyRegGNN', num_nodes=4, node_channels=8, regions=dict(type='DynamicRegions', hidden_channels=8))
CLASSES = 5


class Case(NamedTuple):
    """A backbone with its head, input shape of one sample, and places for plugins."""

    backbone: dict
    after: list
    inputs: tuple
    head: dict | None
    recognizer: str = 'Recognizer2D'


FRAMES = (4, 3, 64, 64)  # (T,C,H,W)
CLIP = (1, 3, 8, 64, 64)  # (views,C,T,H,W)
I3D = dict(pretrained=None, pretrained2d=False)
TSM = dict(num_segments=4, pretrained=None, pretrained2d=False)
PATHWAY = dict(type='resnet3d', depth=18, pretrained=None, conv1_stride_t=1, pool1_stride_t=1)
TIMESFORMER = dict(
    type='DyRegTimeSformer',
    num_frames=8,
    img_size=64,
    patch_size=16,
    embed_dims=32,
    num_heads=2,
    num_transformer_layers=2,
)


def head(kind, in_channels, **kwargs):
    return dict(type=kind, num_classes=CLASSES, in_channels=in_channels, **kwargs)


CASES = {
    'TSM-R50': Case(
        dict(type='DyRegResNetTSM', depth=50, **TSM),
        ['layer2.2.conv2.conv', 'layer3.4.conv2.conv'],
        FRAMES,
        head('TSMHead', 2048, num_segments=4),
    ),
    'TSM-R18': Case(
        dict(type='DyRegResNetTSM', depth=18, **TSM),
        ['layer2.1.conv2.conv', 'layer3.0'],
        FRAMES,
        head('TSMHead', 512, num_segments=4),
    ),
    'TSM-R18 with temporal pooling': Case(
        dict(type='DyRegResNetTSM', depth=18, temporal_pool=True, **TSM),
        ['layer1.0', 'layer2.net.1.conv2', 'layer3.1.conv1.conv'],
        FRAMES,
        head('TSMHead', 512, num_segments=4, temporal_pool=True),
    ),
    'TSM-R18 with shifted blocks': Case(
        dict(type='DyRegResNetTSM', depth=18, shift_place='block', **TSM),
        ['layer3.1', 'layer3.1.net.conv1'],
        FRAMES,
        head('TSMHead', 512, num_segments=4),
    ),
    'ResNet': Case(
        dict(type='DyRegResNet', depth=18, num_segments=4), ['layer3.1.conv2.conv'], FRAMES, head('TSNHead', 512)
    ),
    'TANet': Case(
        dict(type='DyRegTANet', depth=50, num_segments=4),
        ['layer3.1.block.conv2.conv'],
        FRAMES,
        head('TSMHead', 2048, num_segments=4),
    ),
    'MobileNetV2': Case(dict(type='DyRegMobileNetV2', num_segments=4), ['layer4.1'], FRAMES, head('TSNHead', 1280)),
    'MobileNetV2-TSM': Case(
        dict(type='DyRegMobileNetV2TSM', **TSM), ['layer4.1'], FRAMES, head('TSMHead', 1280, num_segments=4)
    ),
    'C2D': Case(
        dict(type='DyRegC2D', depth=18),
        ['layer1.0', 'layer3.1.conv2.conv'],
        CLIP,
        head('I3DHead', 512),
        'Recognizer3D',
    ),
    'I3D-R50': Case(
        dict(
            type='DyRegResNet3d',
            depth=50,
            base_channels=16,
            non_local=((0,) * 3, (1, 0) * 2, (0,) * 6, (0,) * 3),
            **I3D,
        ),
        ['layer2.0', 'layer3.4.conv2.conv'],
        CLIP,
        head('I3DHead', 512),
        'Recognizer3D',
    ),
    'SlowOnly': Case(
        dict(type='DyRegResNet3dSlowOnly', depth=50, base_channels=16, **I3D),
        ['layer3.4.conv2.conv'],
        CLIP,
        head('I3DHead', 512),
        'Recognizer3D',
    ),
    'SlowFast': Case(
        dict(
            type='DyRegResNet3dSlowFast',
            pretrained=None,
            resample_rate=4,
            speed_ratio=4,
            channel_ratio=4,
            slow_pathway=dict(PATHWAY, lateral=True, base_channels=32, inflate=(0, 0, 1, 1), conv1_kernel=(1, 7, 7)),
            fast_pathway=dict(PATHWAY, lateral=False, base_channels=8, conv1_kernel=(5, 7, 7)),
        ),
        ['slow_path.layer3.1.conv2', 'fast_path.layer3.1.conv2.conv'],
        (1, 3, 16, 64, 64),
        head('SlowFastHead', 8 * 32 + 8 * 8),
        'Recognizer3D',
    ),
    'R(2+1)D': Case(
        dict(
            type='DyRegResNet2Plus1d',
            depth=18,
            base_channels=16,
            conv_cfg=dict(type='Conv2plus1d'),
            norm_cfg=dict(type='BN3d'),
            inflate=(1, 1, 1, 1),
            **I3D,
        ),
        ['layer3.1.conv2.conv'],
        CLIP,
        head('I3DHead', 128),
        'Recognizer3D',
    ),
    'CSN': Case(
        dict(type='DyRegResNet3dCSN', depth=50, base_channels=16, bottleneck_mode='ir', with_pool2=False, **I3D),
        ['layer3.4.conv2.0.conv', 'layer3.5'],
        CLIP,
        head('I3DHead', 512),
        'Recognizer3D',
    ),
    'C3D': Case(
        dict(type='DyRegC3D', input_size=48, out_dim=2048),
        ['conv4b'],
        (1, 3, 16, 48, 48),
        head('I3DHead', 4096, spatial_type=None),
        'Recognizer3D',
    ),
    'X3D': Case(
        dict(type='DyRegX3D', gamma_w=1, gamma_b=2.25, gamma_d=1),
        ['layer3.1.conv2'],
        CLIP,
        head('X3DHead', 432, fc1_bias=False),
        'Recognizer3D',
    ),
    'Omni': Case(
        dict(type='DyRegOmniResNet', layers=(1, 1, 2, 1)),
        ['layer3.1', 'layer3.0.bn2'],
        CLIP[1:],
        dict(type='OmniHead', image_classes=3, video_classes=CLASSES, in_channels=2048),
        'RecognizerOmni',
    ),
    'Swin': Case(
        dict(
            type='DyRegSwinTransformer3D',
            arch=dict(embed_dims=16, depths=[1, 2, 1], num_heads=[1, 2, 2]),
            window_size=(2, 4, 4),
            out_indices=(2,),
            pretrained2d=False,
        ),
        ['layers.1.blocks.1', 'layers.1.downsample'],
        CLIP,
        head('I3DHead', 64),
        'Recognizer3D',
    ),
    'VideoMAE': Case(
        dict(type='DyRegVisionTransformer', img_size=64, embed_dims=32, depth=3, num_heads=2, num_frames=8),
        ['patch_embed.projection', 'blocks.1'],
        CLIP,
        head('TimeSformerHead', 32),
        'Recognizer3D',
    ),
    'MViT': Case(
        dict(
            type='DyRegMViT',
            arch=dict(embed_dims=16, num_layers=4, num_heads=1, downscale_indices=[1, 3]),
            spatial_size=64,
            temporal_size=8,
        ),
        ['blocks.1', 'blocks.2'],
        CLIP,
        head('MViTHead', 64),
        'Recognizer3D',
    ),
    'UniFormer': Case(
        dict(type='DyRegUniFormer', depth=[1, 1, 2, 1], embed_dim=[16, 16, 32, 32], head_dim=16, pretrained2d=False),
        ['blocks2.0', 'blocks3.1', 'blocks3.0.mlp'],
        CLIP,
        head('I3DHead', 32),
        'Recognizer3D',
    ),
    'UniFormerV2': Case(
        dict(
            type='DyRegUniFormerV2',
            input_resolution=64,
            width=32,
            layers=3,
            heads=2,
            return_list=[1, 2],
            n_layers=2,
            n_dim=32,
            n_head=2,
            mlp_dropout=[0, 0],
            clip_pretrained=False,
        ),
        ['transformer.resblocks.1'],
        CLIP,
        head('UniFormerHead', 32),
        'Recognizer3D',
    ),
    'TimeSformer': Case(
        dict(TIMESFORMER, attention_type='divided_space_time'),
        ['transformer_layers.layers.0'],
        CLIP,
        head('TimeSformerHead', 32),
        'Recognizer3D',
    ),
    'TimeSformer of joint attention': Case(
        dict(TIMESFORMER, attention_type='joint_space_time'),
        ['transformer_layers.layers.0'],
        CLIP,
        head('TimeSformerHead', 32),
        'Recognizer3D',
    ),
    'TimeSformer of space alone': Case(
        dict(TIMESFORMER, attention_type='space_only'),
        ['transformer_layers.layers.0'],
        CLIP,
        head('TimeSformerHead', 32),
        'Recognizer3D',
    ),
    'ResNet3dLayer': Case(
        dict(type='DyRegResNet3dLayer', depth=50, base_channels=16, stage=3, **I3D), ['layer4.1'], (1024, 4, 8, 8), None
    ),
}


def backbone_config(name, plugins=True, **kwargs):
    """Return the config of the backbone with its plugins (True) or others (list), or of its parent (False)."""
    case = CASES[name]
    config = copy.deepcopy({'input_size': case.inputs[-1], **case.backbone, **kwargs})
    if plugins:
        own = [dict(PLUGIN, after=after) for after in case.after] if plugins is True else plugins
        return dict(config, plugins=copy.deepcopy(own))
    del config['input_size']
    if config['type'] in ('DyRegResNet', 'DyRegMobileNetV2'):
        del config['num_segments']
    return dict(config, type=config['type'].removeprefix('DyReg'))


def build(name, plugins=True, seed=0, **kwargs):
    """Return the recognizer, or the backbone if it has no head, in eval mode."""
    case, config = CASES[name], backbone_config(name, plugins, **kwargs)
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmaction'):
        if case.head is None:
            model = MODELS.build(config)
            model.eval()  # some backbones return None here
            return model
        model = dict(type=case.recognizer, backbone=config, cls_head=copy.deepcopy(case.head))
        if case.recognizer == 'RecognizerOmni':
            model['data_preprocessor'] = None
        return MODELS.build(model).eval()


def inputs(name, batch=1, seed=0):
    """Return a batch of random samples."""
    return torch.randn(batch, *CASES[name].inputs, generator=torch.Generator().manual_seed(seed))


def logits(model, x):
    """Return the output of the head, or of the backbone if there is no head."""
    if hasattr(model, 'extract_feat'):
        return model.extract_feat(x, stage='head')[0]
    if hasattr(model, 'cls_head'):
        return model(x, mode='tensor')
    return model(x)


def backbone_of(model):
    return getattr(model, 'backbone', model)


def wake(plugin, seed=0):
    """Replace all parameters of plugins that are initialized with zeros, so that plugins have an effect."""
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in plugin.parameters():
            if not parameter.count_nonzero():
                parameter.normal_(std=0.5)


class ToyNet(torch.nn.Module):
    """Two convolutions, and sub-modules that plugins cannot follow."""

    def __init__(self, width=8):
        super().__init__()
        self.first = torch.nn.Conv2d(3, width, 3, 2, 1)
        self.second = torch.nn.Conv2d(width, width, 3, 2, 1)
        self.relu = torch.nn.ReLU()  # runs twice
        self.pair = Pair()  # returns two maps
        self.pool = torch.nn.AdaptiveAvgPool2d(1)
        self.vector = torch.nn.Flatten()  # does not return a map
        self.idle = torch.nn.Identity()  # never runs

    def forward(self, x):
        x, _ = self.pair(self.relu(self.second(self.relu(self.first(x)))))
        return self.vector(self.pool(x))


class Pair(torch.nn.Module):
    def forward(self, x):
        return x, x


@MODELS.register_module()
class DyRegToyNet(Plugged, ToyNet):
    """A custom backbone with plugins. As a class of this module it can be pickled."""

    takes_clips = False


def toy(*after, frames=4, size=32, **kwargs):
    """Return a toy backbone with small plugins after the given sub-modules."""
    plugins = [dict(PLUGIN, after=path) if isinstance(path, str) else path for path in after]
    return DyRegToyNet(plugins=plugins, num_segments=frames, input_size=size, **kwargs)
