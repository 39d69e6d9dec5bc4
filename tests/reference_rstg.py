"""Reference implementation of RSTG in float64 NumPy with loops over videos, frames, nodes and pairs.

It was written from the description of the method and does not import the package, so both do not share errors.
Parameters are a state dict of arrays. x comes before y in rectangles, rows before columns in maps.
"""

import math

import numpy as np

EPS = 1e-5
SCALES = (3, 2, 1)


def grid_rectangles(scales=SCALES):
    """Return the cells of s x s grids as (x1, y1, x2, y2) in 0..1, row by row."""
    return [(c / s, r / s, (c + 1) / s, (r + 1) / s) for s in scales for r in range(s) for c in range(s)]


def released_adjacency(side=64, scales=SCALES):
    """Return the adjacency of the released code, in pixels of a frame of ``side``. Cells are int(side / s) wide."""
    cells = []
    for s in scales:
        d = int(side / s)
        cells += [(c * d, r * d, (c + 1) * d, (r + 1) * d) for r in range(s) for c in range(s)]
    return np.array([[a != b and _meet(a, b, 0) for b in cells] for a in cells])


def _meet(a, b, slack):
    """Return whether rectangles overlap or share an edge segment, not just a corner."""
    x = min(a[2], b[2]) - max(a[0], b[0])
    y = min(a[3], b[3]) - max(a[1], b[1])
    return x >= -slack and y >= -slack and not (abs(x) <= slack and abs(y) <= slack)


def overlap_weights(low, high, length):
    """Return the length of [low, high] (in 0..1) in each of ``length`` pixels, in pixels."""
    return np.array([max(0.0, min(high * length, p + 1) - max(low * length, p)) for p in range(length)])


def to_map(state, x, rectangles, **options):
    """Return x (B, C, T, H, W) plus the output of the graph on fixed rectangles (x1, y1, x2, y2)."""
    batch, _, time, height, width = x.shape
    nodes, cover = pool_nodes(state, x, rectangles)
    nodes = graph(strip(state, 'graph.'), nodes, [[rectangles] * time] * batch, **options)
    out = np.empty_like(x)
    for b in range(batch):
        for t in range(time):
            y = np.einsum('nc,nhw->chw', nodes[b, t], cover)
            if 'project_back.weight' in state:
                y = _conv(state, 'project_back.', y)
            y = (y - y.mean()) / math.sqrt(y.var() + EPS)
            out[b, :, t] = x[b, :, t] + y * state['norm.weight'][:, None, None] + state['norm.bias'][:, None, None]
    return out


def to_vec(state, x, rectangles, readout, **options):
    """Return class scores for x (B, C, T, H, W)."""
    batch, _, time = x.shape[:3]
    nodes, _ = pool_nodes(strip(state, 'nodes.'), x, rectangles)
    nodes = graph(strip(state, 'nodes.graph.'), nodes, [[rectangles] * time] * batch, **options)
    vector = sum(nodes[:, -1, i] if readout == 'last' else nodes[:, :, i].mean(1) for i in range(len(rectangles)))
    return vector @ state['fc_cls.weight'].T + state['fc_cls.bias']


def pool_nodes(state, x, rectangles):
    """Return averages (B, T, N, C) over rectangles, and the covered fraction of each pixel (N, H, W)."""
    batch, _, time, height, width = x.shape
    cover = np.stack(
        [np.outer(overlap_weights(y1, y2, height), overlap_weights(x1, x2, width)) for x1, y1, x2, y2 in rectangles]
    )
    nodes = []
    for b in range(batch):
        for t in range(time):
            z = x[b, :, t]
            if 'project.0.weight' in state:
                z = _conv(state, 'project.0.', z)
                z = (z - z.mean()) / math.sqrt(z.var() + EPS)
                z = z * state['project.1.weight'][:, None, None] + state['project.1.bias'][:, None, None]
            nodes.append([(z * k).sum((1, 2)) / k.sum() for k in cover])
    return np.array(nodes).reshape(batch, time, len(rectangles), -1), cover


def graph(
    state,
    nodes,
    rectangles,
    rounds=3,
    stages='all-temp',
    attention='dot',
    positional=False,
    norm=None,
    adjacency='mask',
):
    """Return nodes (B, T, N, C) after message passing. ``rectangles[b][t][i]`` are in 0..1."""
    v = np.array(nodes)
    if norm == 'LN':
        v = _joint_norm(v, state, 'norm.')
    elif norm == 'BN':
        scale = state['norm.weight'] / np.sqrt(state['norm.running_var'] + EPS)
        v = (v - state['norm.running_mean']) * scale + state['norm.bias']
    for _ in range(rounds):
        if stages in ('all-temp', 'time-only'):
            v = _lstm(v, strip(state, 'time.rnn.'))
        if stages != 'time-only':
            v = _space(
                strip(state, 'space.'), v, rectangles, stages == 'homogenous', attention, positional, norm, adjacency
            )
    if stages in ('space-only', 'homogenous'):
        return np.broadcast_to(v.mean(1, keepdims=True), v.shape)
    return _lstm(v, strip(state, 'final_time.rnn.'))


def _space(state, v, rectangles, across, attention, positional, norm, adjacency):
    batch, time, num_nodes, _ = v.shape
    gathered = np.zeros_like(v)
    for b in range(batch):
        for t in range(time):
            frames = [s for s in (t - 1, t, t + 1) if 0 <= s < time] if across else [t]
            for i in range(num_nodes):
                here = rectangles[b][t][i]
                logits, messages = [], []
                for s in frames:
                    for j in range(num_nodes):
                        there = rectangles[b][s][j]
                        itself = i == j
                        linked = s != t if itself else _meet(here, there, 1e-6)
                        if not linked and adjacency == 'mask':
                            continue
                        logits.append(_logit(state, v[b, t, i], v[b, s, j], attention, linked))
                        sender, receiver = v[b, s, j], v[b, t, i]
                        if positional:
                            sender = np.concatenate((sender, gaussian_map(there)))
                            receiver = np.concatenate((receiver, gaussian_map(here)))
                        hidden = _relu_linear(state, 'send_in.', np.concatenate((sender, receiver)))
                        messages.append(_relu_linear(state, 'send_out.', hidden))
                if logits:
                    weights = np.exp(np.array(logits) - max(logits))
                    gathered[b, t, i] = weights / weights.sum() @ np.array(messages)
    if norm == 'LN':
        gathered = _joint_norm(gathered, state, 'gather_norm.')
    both = np.concatenate((v, gathered), axis=-1)
    updated = _relu_linear(state, 'update.2.', _relu_linear(state, 'update.0.', both))
    return _joint_norm(updated, state, 'norm.') if norm == 'LN' else updated


def _logit(state, receiver, sender, attention, linked):
    query = state['query.weight'] @ receiver + state['query.bias']
    key = state['key.weight'] @ sender
    if 'key.bias' in state:
        key = key + state['key.bias']
    if attention == 'dot':
        return linked * float(query @ key)
    total = linked * float(query[0]) + linked * float(key[0])
    return (total if total > 0 else 0.2 * total) + linked


def gaussian_map(rectangle, side=6, std=2):
    """Return a flattened 6 x 6 Gaussian around the center of a rectangle. Edge cells count by covered fraction."""
    axes = []
    for low, high in ((rectangle[1], rectangle[3]), (rectangle[0], rectangle[2])):
        middle = (low + high) / 2 * side
        gaussian = [math.exp(-((p + 0.5 - middle) ** 2) / (2 * std**2)) for p in range(side)]
        axes.append(overlap_weights(low, high, side) * gaussian)
    return np.outer(*axes).reshape(-1)


def _lstm(v, state):
    batch, time, num_nodes, channels = v.shape
    out = np.zeros_like(v)
    for b in range(batch):
        for i in range(num_nodes):
            hidden, cell = np.zeros(channels), np.zeros(channels)
            for t in range(time):
                gates = state['weight_ih_l0'] @ v[b, t, i] + state['bias_ih_l0']
                gates = gates + state['weight_hh_l0'] @ hidden + state['bias_hh_l0']
                enter, forget, new, leave = np.split(gates, 4)
                cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
                hidden = _sigmoid(leave) * np.tanh(cell)
                out[b, t, i] = hidden
    return out


def _joint_norm(v, state, prefix):
    """Normalize over nodes and channels of each frame."""
    mean, var = v.mean((-2, -1), keepdims=True), v.var((-2, -1), keepdims=True)
    return (v - mean) / np.sqrt(var + EPS) * state[prefix + 'weight'] + state[prefix + 'bias']


def _conv(state, prefix, z):
    weight = state[prefix + 'weight'][:, :, 0, 0]
    return np.einsum('oc,chw->ohw', weight, z) + state[prefix + 'bias'][:, None, None]


def _relu_linear(state, prefix, v):
    return np.maximum(0, v @ state[prefix + 'weight'].T + state[prefix + 'bias'])


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def strip(state, prefix):
    """Return the entries of a state dict with a prefix."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
