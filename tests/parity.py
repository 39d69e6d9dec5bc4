"""Build our module for released weights, and compare its internal values with the reference."""

from pathlib import Path

import numpy as np
import torch

from dyreg_mmaction import ops
from dyreg_mmaction.models import DyRegGNN

# outputs of the unchanged released code, not included in the repository
FIXTURES = Path(__file__).parents[2] / 'shared/reference/fixtures'

# released prefix -> ours; scales of released norms have more axes
NAMES = {
    'norm_dict.residual_norm': 'norm',
    'dynamic_graph.norm_dict.dynamic_graph_projection': 'project.1',
    'dynamic_graph.project_i3d_linear': 'project.0',
    'dynamic_graph.project_back_i3d_linear': 'project_back',
    'dynamic_graph.kernel_projection1': 'position',
    'dynamic_graph.norm_dict.offset_ln_feats_coords': 'regions.norm_in',
    'dynamic_graph.norm_dict.offset_ln_lstm': 'regions.norm_out',
    'dynamic_graph.offset_lstm': 'regions.rnn.rnn',
    'dynamic_graph.offset_pred': 'regions.predictor.fc',
    'dynamic_graph.offset_alpha': 'regions.predictor.alpha',
    'dynamic_graph.global_conv.0': 'regions.heads.1.fc',
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
    'dynamic_graph.glore.mask_conv': 'regions.heads.mask',
    'dynamic_graph.glore.update': 'regions.heads.fc',
    'dynamic_graph.glore.sin_pos_emb_proj': 'regions.heads.position',
    'dynamic_graph.rstg.norm_dict.before_graph_norm': 'graph.norm',
    'dynamic_graph.rstg.internal_lstm': 'graph.time.rnn',
    'dynamic_graph.rstg.external_lstm': 'graph.final_time.rnn',
    'dynamic_graph.rstg.send_mlp.0': 'graph.space.send',
    'dynamic_graph.rstg.norm_dict.send_message_norm': 'graph.space.message_norm',
    'dynamic_graph.rstg.att_q': 'graph.space.query',
    'dynamic_graph.rstg.att_k': 'graph.space.key',
    'dynamic_graph.rstg.att_bias': 'graph.space.gather_bias',
    'dynamic_graph.rstg.norm_dict.update_norm': 'graph.space.norm',
}
NOT_LEARNED = ('_buf', 'norm_dict.offset_location_emb.scale', 'norm_dict.offset_location_emb.bias')


def to_ours(state, own=''):
    """Convert a released state dict, or its entries with the prefix ``own``, which is removed."""
    ours = {}
    for name, value in state.items():
        if name.endswith(NOT_LEARNED):
            continue
        prefix = max((p for p in NAMES if (own + name).startswith(p)), key=len)
        new = NAMES[prefix] + (own + name)[len(prefix) :]
        value = torch.as_tensor(np.asarray(value))
        if 'norm' in prefix or 'att_bias' in prefix:
            value = value.reshape(-1)
        if prefix.endswith(('global_conv.0', 'glore.update')) and value.ndim > 1:
            value = value.flatten(1)  # a convolution over the full map is a linear layer
        if prefix.endswith(('offset_pred', 'offset_alpha')):
            value = value.flip(0)  # (row size, column size, row shift, column shift) -> (dx, dy, w, h)
        ours[new.replace('.scale', '.weight')] = value
    return ours


def build_module(state, size, anchors='center'):
    """Build our module for maps of ``size`` from released weights, which determine all other arguments."""
    c, in_channels = state['dynamic_graph.rstg.att_bias'].size, state['norm_dict.residual_norm.scale'].size
    hidden = state['dynamic_graph.offset_pred.weight'].shape[1]
    pooled = 'dynamic_graph.glore.mask_conv.bias' in state
    rnn = {3: 'gru', 4: 'lstm'}[len(state['dynamic_graph.offset_lstm.bias_ih_l0']) // hidden]
    num_nodes = len(state['dynamic_graph.glore.mask_conv.bias' if pooled else 'dynamic_graph.global_conv.0.bias'])
    module = DyRegGNN(
        in_channels,
        size,
        num_nodes if pooled else num_nodes // hidden,
        c,
        regions=dict(
            type='DynamicRegions',
            hidden_channels=hidden,
            heads='pool' if pooled else 'fc',
            rnn=rnn,
            reference=anchors,
        ),
        graph=dict(type='SpaceTimeGraph', rnn=rnn),
    )
    module.load_state_dict(to_ours(state))  # strict: keys must be identical
    return module


def run(module, x):
    """Run our module on x (B, T, C, H, W). Return all values with names and layout of the reference."""
    seen = {}
    parts = dict(regions=module.regions, position=module.position, graph=module.graph)
    hooks = [
        part.register_forward_hook(lambda _, args, out, name=name: seen.update({name: (args[0], out)}))
        for name, part in parts.items()
    ]
    try:
        output = module(x.transpose(1, 2))
    finally:
        for hook in hooks:
            hook.remove()
    regions = seen['regions'][1]
    center, half_size = (v.flatten(0, 1).flip(-1) for v in regions[:2])
    axes = [ops.normalize(ops.tent(center[..., i], half_size[..., i], x.shape[3 + i])) for i in (0, 1)]
    kernel = ops.outer(*axes)
    nodes, talked = (v.transpose(2, 3) for v in seen['graph'])
    remapped = ops.unpool(talked.transpose(2, 3).flatten(0, 1), kernel)
    if module.project_back is not None:
        remapped = module.project_back(remapped)
    return dict(
        region_half_size=half_size,
        region_center=center,
        kernel=kernel,
        nodes_no_position=nodes - seen['position'][1].unflatten(0, x.shape[:2]).transpose(2, 3),
        nodes_position=nodes,
        nodes_out=talked,
        remapped=remapped.unflatten(0, x.shape[:2]),
        output=output.transpose(1, 2).flatten(0, 1),
    )
