"""Reference implementation of the released TSM-ResNet-50 in float64 with the released names.

It was written from the description of the released code and does not import the package or MMAction2. The modules are
those of :mod:`reference_dyreg`.
"""

import numpy as np
import reference_dyreg
import torch
from torch.nn import functional as F

BLOCKS = (3, 4, 6, 3)
# path of the module: channels of its map, width of its nodes, side of its map in training
MODULES = {'layer2.2': (128, 128, 28), 'layer3.4': (256, 256, 14), 'layer4.1': (512, 256, 7)}


def logits(state, x):
    """Return class scores of clips, before the softmax.

    Args:
        state: Tensors by released name (``base_model.layer4.1.conv2.1.dynamic_graph...``).
        x: Normalized frames (B, T, 3, H, W).

    Returns:
        (B, number of classes), float64.
    """
    state = {name: torch.as_tensor(value).double() for name, value in state.items()}
    batch, time = x.shape[:2]
    y = x.double().flatten(0, 1)
    y = norm(state, 'base_model.bn1', convolve(state, 'base_model.conv1', y, 2, 3)).relu()
    y = F.max_pool2d(y, 3, 2, 1)
    for layer, blocks in enumerate(BLOCKS, 1):
        for block in range(blocks):
            stride = 2 if layer > 1 and block == 0 else 1
            y = bottleneck(state, f'base_model.layer{layer}.{block}', y, stride, time)
    scores = y.mean((2, 3)) @ state['new_fc.weight'].T + state['new_fc.bias']
    return scores.unflatten(0, (batch, time)).mean(1)


def bottleneck(state, own, x, stride, time):
    y = norm(state, f'{own}.bn1', convolve(state, f'{own}.conv1.net', shift(x, time))).relu()
    inner = f'{own}.conv2.0.block' if f'{own}.conv2.0.block.weight' in state else f'{own}.conv2'
    y = convolve(state, inner, y, stride, 1)
    if inner.endswith('block'):
        y = refine(state, f'{own}.conv2.1.', y, time)
    y = norm(state, f'{own}.bn2', y).relu()
    y = norm(state, f'{own}.bn3', convolve(state, f'{own}.conv3', y))
    if f'{own}.downsample.0.weight' in state:
        x = norm(state, f'{own}.downsample.1', convolve(state, f'{own}.downsample.0', x, stride))
    return (y + x).relu()


def refine(state, own, x, time):
    """Compute the module at its training size, which follows from the number of embedded positions."""
    module = {name[len(own) :]: value.numpy() for name, value in state.items() if name.startswith(own)}
    side = round(module['dynamic_graph.kernel_projection1.weight'].shape[1] ** 0.5)
    clips = x.unflatten(0, (-1, time)).numpy()
    return torch.from_numpy(reference_dyreg.dynamic_graph_wrapper(module, clips, (side, side))['output'])


def shift(x, time):
    """Shift an eighth of the channels from the next frame, an eighth from the previous one, padded with zeros."""
    part = x.shape[1] // 8
    x = x.unflatten(0, (-1, time))
    y = x.clone()
    y[:, :-1, :part], y[:, -1, :part] = x[:, 1:, :part], 0
    y[:, 1:, part : 2 * part], y[:, 0, part : 2 * part] = x[:, :-1, part : 2 * part], 0
    return y.flatten(0, 1)


def convolve(state, name, x, stride=1, padding=0):
    return F.conv2d(x, state[f'{name}.weight'], None, stride, padding)


def norm(state, name, x):
    mean, var, weight, bias = (
        state[f'{name}.{part}'][:, None, None] for part in ('running_mean', 'running_var', 'weight', 'bias')
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


# --- weights


def random_state(seed=0, num_classes=174, modules=MODULES):
    """Return random weights of a model, scaled so that activations stay in range and regions move."""
    rng = np.random.default_rng(seed)
    state = {}

    def conv(name, outputs, inputs, side=1):
        scale = (2 / (inputs * side**2)) ** 0.5
        state[f'{name}.weight'] = (scale * rng.standard_normal((outputs, inputs, side, side))).astype(np.float32)

    def batch_norm(name, channels, gain=1.0):
        parts = dict(weight=gain, bias=0.0, running_mean=0.0, running_var=1.0)
        for part, mean in parts.items():
            spread = 0.1 * rng.uniform(-1, 1, channels)
            state[f'{name}.{part}'] = (mean + spread).astype(np.float32)
        state[f'{name}.num_batches_tracked'] = np.array(1000)

    conv('base_model.conv1', 64, 3, 7)
    batch_norm('base_model.bn1', 64)
    inputs = 64
    for layer, blocks in enumerate(BLOCKS, 1):
        width = 32 * 2**layer
        for block in range(blocks):
            own = f'base_model.layer{layer}.{block}'
            conv(f'{own}.conv1.net', width, inputs)
            batch_norm(f'{own}.bn1', width)
            plugged = f'layer{layer}.{block}' in modules
            conv(f'{own}.conv2.0.block' if plugged else f'{own}.conv2', width, width, 3)
            if plugged:
                in_channels, channels, side = modules[f'layer{layer}.{block}']
                module = reference_dyreg.random_state(in_channels, channels, (side, side), hidden=128, seed=layer)
                state.update({f'{own}.conv2.1.{name}': value for name, value in module.items()})
            batch_norm(f'{own}.bn2', width)
            conv(f'{own}.conv3', 4 * width, width)
            batch_norm(f'{own}.bn3', 4 * width, 0.3)
            if block == 0:
                conv(f'{own}.downsample.0', 4 * width, inputs)
                batch_norm(f'{own}.downsample.1', 4 * width, 0.7)
            inputs = 4 * width
    state['new_fc.weight'] = (0.02 * rng.standard_normal((num_classes, inputs))).astype(np.float32)
    state['new_fc.bias'] = (0.1 * rng.standard_normal(num_classes)).astype(np.float32)
    return {name: torch.from_numpy(value) for name, value in state.items()}
