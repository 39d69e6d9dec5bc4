"""Convert the released DynamicGraphWrapper to DyRegGNN."""

import math
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dyreg_mmaction.models import DyRegGNN

from .renaming import Problems, rename

COMMON = {
    'norm_dict.residual_norm': 'norm',
    'dynamic_graph.kernel_projection1': 'position',
    'dynamic_graph.norm_dict.offset_ln_feats_coords': 'regions.norm_in',
    'dynamic_graph.offset_lstm': 'regions.rnn.rnn',
    'dynamic_graph.norm_dict.offset_ln_lstm': 'regions.norm_out',
    'dynamic_graph.offset_pred': 'regions.predictor.fc',
    'dynamic_graph.offset_alpha': 'regions.predictor.alpha',
    'dynamic_graph.rstg.norm_dict.before_graph_norm': 'graph.norm',
    'dynamic_graph.rstg.internal_lstm': 'graph.time.rnn',
    'dynamic_graph.rstg.send_mlp.0': 'graph.space.send',
    'dynamic_graph.rstg.norm_dict.send_message_norm': 'graph.space.message_norm',
    'dynamic_graph.rstg.att_q': 'graph.space.query',
    'dynamic_graph.rstg.att_k': 'graph.space.key',
    'dynamic_graph.rstg.att_bias': 'graph.space.gather_bias',
    'dynamic_graph.rstg.norm_dict.update_norm': 'graph.space.norm',
    'dynamic_graph.rstg.external_lstm': 'graph.final_time.rnn',
}
PROJECTIONS = {
    'dynamic_graph.project_i3d_linear': 'project.0',
    'dynamic_graph.norm_dict.dynamic_graph_projection': 'project.1',
    'dynamic_graph.project_back_i3d_linear': 'project_back',
}
HEADS = {
    'fc': {
        'dynamic_graph.fishnet.conv1': 'regions.heads.0.embed.0',
        'dynamic_graph.fishnet.norm_dict.norm1': 'regions.heads.0.embed.2',
        'dynamic_graph.fishnet.tail_conv.0': 'regions.heads.0.down1.0',
        'dynamic_graph.fishnet.norm_dict.tail_norm_0': 'regions.heads.0.down1.2',
        'dynamic_graph.fishnet.tail_conv.1': 'regions.heads.0.down2.0',
        'dynamic_graph.fishnet.norm_dict.tail_norm_1': 'regions.heads.0.down2.2',
        'dynamic_graph.fishnet.body_trans_conv.0': 'regions.heads.0.up.0',
        'dynamic_graph.fishnet.norm_dict.body_trans_norm_0': 'regions.heads.0.up.2',
        'dynamic_graph.fishnet.head_conv.0': 'regions.heads.0.down3.0',
        'dynamic_graph.fishnet.norm_dict.head_norm_0': 'regions.heads.0.down3.2',
        'dynamic_graph.global_conv.0': 'regions.heads.1.fc',
    },
    'pool': {
        'dynamic_graph.glore.mask_conv': 'regions.heads.mask',
        'dynamic_graph.glore.sin_pos_emb_proj': 'regions.heads.position',
        'dynamic_graph.glore.update': 'regions.heads.fc',
    },
}
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    r'norm_dict\.\w+\.(scale|bias)$|\.att_bias$': lambda v: v.reshape(-1),
    r'\.global_conv\.0\.weight$': lambda v: v.flatten(1) if v.ndim == 4 else v,
    r'\.glore\.update\.weight$': lambda v: v.squeeze(-1),
    # [row size, column size, row shift, column shift] -> (dx, dy, w, h)
    r'\.offset_(alpha|pred\.(weight|bias))$': lambda v: v.flip(0) if v.ndim else v,
}


def convert_module(
    tensors: Mapping[str, Tensor], problems: Problems, prefix: str = '', in_channels: int | None = None
) -> tuple[dict[str, Tensor], dict]:
    """Convert the state of one DynamicGraphWrapper.

    Args:
        tensors (Mapping[str, Tensor]): Its state, without the geometry buffers.
        problems (Problems): Collects missing, unknown and misshapen tensors.
        prefix (str): Prefix of the names in ``problems``.
        in_channels (int, optional): Number of input channels, if known.

    Returns:
        tuple[dict[str, Tensor], dict]: State dict and config of the DyRegGNN.
    """
    config = _describe(tensors, in_channels)
    names = _names(config)
    complete = names.keys() <= tensors.keys()
    shapes = _shapes(config) if complete else {}
    moved = {prefix + name: _layout(name, value) for name, value in tensors.items()}
    converted = rename(moved, {prefix + old: new for old, new in names.items()}, shapes, problems)
    return converted, dict(type='DyRegGNN', **config)


def _describe(tensors: Mapping[str, Tensor], in_channels: int | None) -> dict:
    """Infer the arguments of the DyRegGNN from the sizes of tensors. Missing tensors have size 0."""

    def length(name: str) -> int:
        return tensors[name].numel() if name in tensors else 0

    channels = length('dynamic_graph.kernel_projection1.bias')
    hidden = length('dynamic_graph.norm_dict.offset_ln_lstm.bias')
    heads = 'pool' if any('.glore.' in name for name in tensors) else 'fc'
    if heads == 'pool':
        num_nodes = length('dynamic_graph.glore.mask_conv.bias')
    else:
        num_nodes = length('dynamic_graph.global_conv.0.bias') // max(hidden, 1)
    gates = length('dynamic_graph.rstg.internal_lstm.bias_ih_l0') // max(channels, 1)
    rnn = 'lstm' if gates == 4 else 'gru'
    return dict(
        in_channels=in_channels or length('norm_dict.residual_norm.bias'),
        feature_size=math.isqrt(length('dynamic_graph.kernel_projection1.weight') // max(channels, 1)),
        num_nodes=num_nodes,
        node_channels=channels,
        regions=dict(type='DynamicRegions', hidden_channels=hidden, heads=heads, rnn=rnn),
        graph=dict(type='SpaceTimeGraph', rnn=rnn),
    )


def _shapes(config: dict) -> dict[str, torch.Size]:
    with torch.device('meta'):
        return {name: value.shape for name, value in DyRegGNN(**config).state_dict().items()}


def _names(config: dict) -> dict[str, str]:
    """Map released keys to keys of this package."""
    prefixes = {**COMMON, **HEADS[config['regions']['heads']]}
    if config['node_channels'] != config['in_channels']:
        prefixes.update(PROJECTIONS)
    return {old + leaf: new + new_leaf for old, new in prefixes.items() for leaf, new_leaf in _leaves(old).items()}


def _leaves(module: str) -> dict[str, str]:
    """Map released to new tensor names of a norm, a recurrent network, a single parameter or a layer."""
    if 'norm_dict.' in module:
        return {'.scale': '.weight', '.bias': '.bias'}
    if module.endswith(('offset_alpha', 'att_bias')):
        return {'': ''}
    if module.endswith('_lstm'):
        return {f'.{kind}_{gate}_l0': f'.{kind}_{gate}_l0' for kind in ('weight', 'bias') for gate in ('ih', 'hh')}
    return {'.weight': '.weight', '.bias': '.bias'}


def _layout(name: str, value: Tensor) -> Tensor:
    """Change the layout of a released tensor. Misshapen tensors are found later, when shapes are compared."""
    for pattern, layout in LAYOUTS.items():
        if re.search(pattern, name):
            return layout(value)
    return value
