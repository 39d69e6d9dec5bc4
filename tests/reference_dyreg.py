"""Reference implementation of DyReg-GNN in float64 NumPy with loops and the released model's names.

It was written from the description of the released arithmetic and does not import the package, so both do not share
errors. Cases that the release does not support (other aspect ratios, other numbers of nodes) are natural extensions.
Rows are before columns, and arrays have the layout of the release: videos B and frames T first, ``kernel``
(B*T, N, H, W), ``nodes_*`` (B, T, C, N).
"""

import math

import numpy as np

EPS = 1e-5


def dynamic_graph_wrapper(state, x, train_size=None, anchors='center'):
    """Compute the module.

    Args:
        state: Arrays by released name without prefix ('dynamic_graph.offset_alpha', ...). Widths, number of nodes,
            recurrent network and region generator follow from them.
        x: Maps (B, T, C, H, W).
        train_size: (H, W) of the maps in training. None: the size of x.
        anchors: 'center' or 'grid'.

    Returns:
        All intermediate values: 'offsets_raw' (B*T, N, 4), 'region_half_size' and 'region_center' (B*T, N, 2) as (row,
        column), 'kernel', 'nodes_no_position', 'nodes_position', 'nodes_out', 'remapped' (B, T, C, H, W), 'output'
        (B*T, C, H, W).
    """
    state = {name: np.asarray(value, np.float64) for name, value in state.items()}
    own = strip(state, 'dynamic_graph.')
    x = np.asarray(x, np.float64)
    batch, time, channels, height, width = x.shape
    frames = x.reshape(batch * time, channels, height, width)
    size, train_size = (height, width), tuple(train_size or (height, width))

    z = frames
    if 'project_i3d_linear.weight' in own:
        z = conv(frames, own['project_i3d_linear.weight'], own['project_i3d_linear.bias'])
        z = map_norm(own, 'dynamic_graph_projection', z)

    offsets = raw_offsets(own, z, (batch, time), train_size)
    half_size, center = decode(offsets, size, anchors)
    kernel = kernels(half_size, center, size)

    nodes = np.einsum('bnhw,bchw->bnc', kernel, z)
    small = adaptive_avg_pool(kernel, train_size)
    embedded = small.reshape(*small.shape[:2], -1) @ own['kernel_projection1.weight'].T + own['kernel_projection1.bias']
    positioned = nodes + embedded
    talked = rstg(strip(own, 'rstg.'), positioned.reshape(batch, time, *nodes.shape[1:]))
    y = np.einsum('bnhw,bnc->bchw', kernel, talked.reshape(nodes.shape))
    if 'project_back_i3d_linear.weight' in own:
        y = conv(y, own['project_back_i3d_linear.weight'], own['project_back_i3d_linear.bias'])

    def per_video(v):
        return v.reshape(batch, time, *v.shape[1:]).swapaxes(2, 3)

    return dict(
        offsets_raw=offsets,
        region_half_size=half_size,
        region_center=center,
        kernel=kernel,
        nodes_no_position=per_video(nodes),
        nodes_position=per_video(positioned),
        nodes_out=talked.swapaxes(2, 3),
        remapped=y.reshape(x.shape),
        output=frames + map_norm(state, 'residual_norm', y),
    )


# --- regions


def raw_offsets(own, z, clips, train_size):
    """Return [row size, column size, row shift, column shift] of each node: (B*T, N, 4)."""
    if 'glore.mask_conv.weight' in own:
        m = glore(strip(own, 'glore.'), adaptive_avg_pool(z, train_size)).swapaxes(1, 2)  # (B*T,N,L)
    else:
        features = fishnet(strip(own, 'fishnet.'), adaptive_avg_pool(z, generator_size(train_size)))
        weight, bias = own['global_conv.0.weight'], own['global_conv.0.bias']
        m = np.einsum('bchw,ochw->bo', features, weight) + bias
        m = m.reshape(len(m), -1, own['offset_pred.weight'].shape[1])  # (B*T,N,L)
    m = node_norm(own, 'offset_ln_feats_coords', m)
    m = recurrent(strip(own, 'offset_lstm.'), m.reshape(*clips, *m.shape[1:]))
    m = node_norm(own, 'offset_ln_lstm', m)
    offsets = own['offset_alpha'] * (m @ own['offset_pred.weight'].T + own['offset_pred.bias'])
    return offsets.reshape(-1, *offsets.shape[2:])


def generator_size(size):
    """Average maps of more than 50 cells, for which the release has no generator, by an integer factor."""
    return tuple(math.ceil(n / math.ceil(n / 50)) for n in size)


def fishnet(state, x):
    """Compute f, the features of 'big' regions. Strides and paddings depend on the size of each axis."""
    first = [(2, 0) if n > 10 else (1, 0) for n in x.shape[2:]]
    later = [(2, 0) if n > 20 else (1, 1) for n in x.shape[2:]]

    def stage(name, norm, v):
        v = np.maximum(v, 0)
        return map_norm(state, norm, v)

    def weights(name):
        return state[f'{name}.weight'], state[f'{name}.bias']

    a0 = stage('conv1', 'norm1', conv(x, *weights('conv1')))
    a1 = stage('tail_conv.0', 'tail_norm_0', conv(a0, *weights('tail_conv.0'), first))
    a2 = stage('tail_conv.1', 'tail_norm_1', conv(a1, *weights('tail_conv.1'), later))
    up = conv_transpose(a2, *weights('body_trans_conv.0'), later, a1.shape[2:])
    u = stage('body_trans_conv.0', 'body_trans_norm_0', up) + a1
    return stage('head_conv.0', 'head_norm_0', conv(u, *weights('head_conv.0'), later))


def glore(state, z):
    """Compute the light g_i: (B, C, H, W) -> (B, L, N)."""
    logits = conv(z, state['mask_conv.weight'], state['mask_conv.bias'])
    table = sinusoids(z.shape[1:])[None]
    value = z + conv(table, state['sin_pos_emb_proj.weight'], state['sin_pos_emb_proj.bias'])
    pooled = np.einsum('bnhw,bchw->bnc', softmax(logits, 1), value)
    return (pooled @ state['update.weight'][:, :, 0].T + state['update.bias']).swapaxes(1, 2)


def sinusoids(shape):
    channels, height, width = shape
    half = channels // 2
    table = np.zeros(shape)
    for j in range(half):
        wave = np.sin if j % 2 == 0 else np.cos
        for row in range(height):
            table[j, row, :] = wave(row / max(height - 1, 1) / 10000 ** (j / half))
        for column in range(width):
            table[half + j, :, column] = wave(column / max(width - 1, 1) / 10000 ** (j / half))
    return table


def decode(offsets, size, anchors):
    """Return half sizes and centers, each (B*T, N, 2) as (row, column), in cells."""
    num_nodes = offsets.shape[1]
    half_size, center = np.zeros((2, len(offsets), num_nodes, 2))
    rows = max(r for r in range(1, num_nodes + 1) if num_nodes % r == 0 and r * r <= num_nodes)
    parts = (rows, num_nodes // rows)
    for n in range(num_nodes):
        for axis, length in enumerate(size):
            cell = divmod(n, parts[1])[axis]
            anchor = length / 2 if anchors == 'center' else length * (2 * cell + 1) / (2 * parts[axis])
            start = np.arctanh(np.clip(2 * anchor / length - 1, -1 + 1e-7, 1 - 1e-7))
            half_size[:, n, axis] = np.exp(offsets[:, n, axis]) * (length / 6 + 1) + 1
            shifted = length / 2 * (1 + np.tanh(offsets[:, n, 2 + axis] + start))
            center[:, n, axis] = np.clip(shifted, 0, length - 1)
    return half_size, center


def kernels(half_size, center, size):
    """Return normalized kernels (B*T, N, H, W)."""
    rows, columns = (
        np.maximum(half_size[..., axis, None] - np.abs(np.arange(length) - center[..., axis, None]), 0)
        for axis, length in enumerate(size)
    )
    kernel = rows[..., :, None] * columns[..., None, :]
    return kernel / (kernel.sum((-1, -2), keepdims=True) + 1e-37)


# --- graph


def rstg(state, nodes):
    """Apply three rounds of time and space and a final time stage: (B, T, N, C) -> (B, T, N, C)."""
    v = node_norm(state, 'before_graph_norm', nodes)
    for _ in range(3):
        v = recurrent(strip(state, 'internal_lstm.'), v)
        pairs = v[..., :, None, :] + v[..., None, :, :]  # (B,T,N,N,C)
        messages = np.maximum(pairs @ state['send_mlp.0.weight'].T + state['send_mlp.0.bias'], 0)
        messages = joint_norm(messages, (-3, -2, -1))
        messages = messages * state['norm_dict.send_message_norm.scale'] + state['norm_dict.send_message_norm.bias']
        query = v @ state['att_q.weight'].T + state['att_q.bias']
        key = v @ state['att_k.weight'].T + state['att_k.bias']
        weights = softmax(query @ key.swapaxes(-1, -2), -1)  # over the senders
        gathered = np.einsum('btij,btijc->btic', weights, messages)
        v = node_norm(state, 'update_norm', v + np.maximum(gathered + state['att_bias'].reshape(-1), 0))
    return recurrent(strip(state, 'external_lstm.'), v)


def recurrent(state, nodes):
    """Apply PyTorch's one-layer GRU or LSTM over the frames of each node: (B, T, N, L) -> (B, T, N, L)."""
    hidden = cell = np.zeros_like(nodes[:, 0])
    width = nodes.shape[-1]
    states = []
    for t in range(nodes.shape[1]):
        given = nodes[:, t] @ state['weight_ih_l0'].T + state['bias_ih_l0']
        kept = hidden @ state['weight_hh_l0'].T + state['bias_hh_l0']
        g, k = (np.split(v, v.shape[-1] // width, axis=-1) for v in (given, kept))
        if len(g) == 3:  # r, z, n
            reset, update = sigmoid(g[0] + k[0]), sigmoid(g[1] + k[1])
            hidden = (1 - update) * np.tanh(g[2] + reset * k[2]) + update * hidden
        else:  # i, f, g, o
            cell = sigmoid(g[1] + k[1]) * cell + sigmoid(g[0] + k[0]) * np.tanh(g[2] + k[2])
            hidden = sigmoid(g[3] + k[3]) * np.tanh(cell)
        states.append(hidden)
    return np.stack(states, 1)


# --- arithmetic


def strip(state, prefix):
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def joint_norm(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPS)


def node_norm(state, name, x):
    """Normalize jointly over nodes and channels (..., N, C)."""
    scale, bias = (state[f'norm_dict.{name}.{part}'].reshape(-1) for part in ('scale', 'bias'))
    return joint_norm(x, (-2, -1)) * scale + bias


def map_norm(state, name, x):
    """Normalize jointly over channels and cells (B, C, H, W)."""
    scale, bias = (state[f'norm_dict.{name}.{part}'].reshape(-1, 1, 1) for part in ('scale', 'bias'))
    return joint_norm(x, (1, 2, 3)) * scale + bias


def conv(x, weight, bias, strides_and_paddings=((1, 0), (1, 0))):
    (sy, py), (sx, px) = strides_and_paddings
    x = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)))
    kh, kw = weight.shape[2:]
    height, width = (x.shape[2] - kh) // sy + 1, (x.shape[3] - kw) // sx + 1
    y = np.zeros((len(x), len(weight), height, width))
    for i in range(kh):
        for j in range(kw):
            window = x[:, :, i : i + sy * height : sy, j : j + sx * width : sx][:, :, :height, :width]
            y += np.einsum('bchw,oc->bohw', window, weight[:, :, i, j])
    return y + bias[:, None, None]


def conv_transpose(x, weight, bias, strides_and_paddings, size):
    """Upsample to ``size``. Cells outside the receptive field of x contain the bias."""
    (sy, py), (sx, px) = strides_and_paddings
    kh, kw = weight.shape[2:]
    y = np.zeros((len(x), weight.shape[1], size[0] + 2 * py + kh, size[1] + 2 * px + kw))
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            patch = np.einsum('bc,cokl->bokl', x[:, :, row, column], weight)
            y[:, :, row * sy : row * sy + kh, column * sx : column * sx + kw] += patch
    return y[:, :, py : py + size[0], px : px + size[1]] + bias[:, None, None]


def adaptive_avg_pool(x, size):
    """Average old cells floor(i H/n) .. ceil((i+1) H/n) - 1 for cell i of n on each axis."""
    for axis, new in zip((-2, -1), size, strict=True):
        old = x.shape[axis]
        windows = [np.arange(i * old // new, -(-(i + 1) * old // new)) for i in range(new)]
        x = np.stack([np.take(x, window, axis).mean(axis) for window in windows], axis)
    return x


# --- weights


def random_state(in_channels, node_channels, size, num_nodes=9, hidden=8, generator='big', rnn='GRU', seed=0):
    """Return random weights and released buffers of a module for maps of ``size``."""
    rng = np.random.default_rng(seed)
    state = {}

    def normal(name, *shape, scale=1.0, mean=0.0):
        state[name] = (mean + scale * rng.standard_normal(shape)).astype(np.float32)

    def linear(name, outputs, inputs, *kernel):
        normal(f'{name}.weight', outputs, inputs, *kernel, scale=(inputs * math.prod(kernel)) ** -0.5)
        normal(f'{name}.bias', outputs, scale=0.1)

    def norm(name, channels, *ones):
        shape = (1, channels, *ones) if ones else (channels,)
        normal(f'{name}.scale', *shape, scale=0.3, mean=1.0)
        normal(f'{name}.bias', *shape, scale=0.3)

    def recurrence(name, width):
        for part in ('ih', 'hh'):
            gates = dict(GRU=3, LSTM=4)[rnn] * width
            normal(f'{name}.weight_{part}_l0', gates, width, scale=width**-0.5)
            normal(f'{name}.bias_{part}_l0', gates, scale=0.1)

    own, c = 'dynamic_graph.', node_channels
    normal(f'{own}offset_alpha', 4, scale=0.2, mean=0.6)
    normal(f'{own}rstg.att_bias', 1, 1, 1, c, scale=0.1)
    for name in ('send_message_norm', 'update_norm', 'before_graph_norm'):
        norm(f'{own}rstg.norm_dict.{name}', c)
    for name in ('internal_lstm', 'external_lstm'):
        recurrence(f'{own}rstg.{name}', c)
    for name in ('send_mlp.0', 'att_q', 'att_k'):
        linear(f'{own}rstg.{name}', c, c)
    for name in ('offset_ln_feats_coords', 'offset_ln_lstm'):
        norm(f'{own}norm_dict.{name}', hidden)
    if in_channels != node_channels:
        norm(f'{own}norm_dict.dynamic_graph_projection', c, 1, 1)
        linear(f'{own}project_i3d_linear', c, in_channels, 1, 1)
        linear(f'{own}project_back_i3d_linear', in_channels, c, 1, 1)
    if generator == 'big':
        _random_fishnet(normal, linear, norm, f'{own}fishnet', c)
        linear(f'{own}global_conv.0', num_nodes * hidden, 16, *fishnet_size(generator_size(size)))
    else:
        norm(f'{own}glore.norm_dict.offset_location_emb', c, 1, 1)  # not used by the released code
        linear(f'{own}glore.mask_conv', num_nodes, c, 1, 1)
        linear(f'{own}glore.update', hidden, c, 1)
        linear(f'{own}glore.sin_pos_emb_proj', c, c, 1, 1)
        state[f'{own}glore.pos_emb_buf'] = sinusoids((c, *size)).astype(np.float32)
    recurrence(f'{own}offset_lstm', hidden)
    linear(f'{own}offset_pred', 4, hidden)
    linear(f'{own}kernel_projection1', c, size[0] * size[1])
    norm('norm_dict.residual_norm', in_channels, 1, 1)
    for axis, position, length in zip('hw', ('ph', 'pw'), size, strict=True):
        state[f'{own}{position}_buf'] = np.full((1, num_nodes, 1), length / 2, np.float32)
        state[f'{own}arange_{axis}_buf'] = np.arange(length)[None, None]
    return state


def _random_fishnet(normal, linear, norm, own, channels):
    widths = {'norm1': 32, 'tail_norm_0': 32, 'tail_norm_1': 16, 'body_trans_norm_0': 32, 'head_norm_0': 16}
    for name, width in widths.items():
        norm(f'{own}.norm_dict.{name}', width, 1, 1)
    linear(f'{own}.conv1', 32, channels, 1, 1)
    linear(f'{own}.tail_conv.0', 32, 32, 3, 3)
    linear(f'{own}.tail_conv.1', 16, 32, 3, 3)
    linear(f'{own}.head_conv.0', 16, 32, 3, 3)
    normal(f'{own}.body_trans_conv.0.weight', 16, 32, 3, 3, scale=0.1)  # transposed: inputs first
    normal(f'{own}.body_trans_conv.0.bias', 32, scale=0.1)


def fishnet_size(size):
    """Return height and width of the features of :func:`fishnet`."""
    middle = [(n - 3) // (2 if n > 10 else 1) + 1 for n in size]
    return tuple((m - 3) // 2 + 1 if n > 20 else m for n, m in zip(size, middle, strict=True))
