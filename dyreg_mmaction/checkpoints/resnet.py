"""Convert a TSM-ResNet of the released code, with or without DyReg modules, to MMAction2."""

import re
from collections.abc import Mapping

import torch
from mmaction.models import ResNetTSM
from torch import Tensor

from .module import convert_module
from .renaming import Problems, rename

# depth: number of blocks per stage, and whether they are bottlenecks
RESNETS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
# in torchvision convolution and norm are siblings, in mmcv they are children of a ConvModule
MMACTION_TO_RELEASED = (
    (r'^cls_head\.fc_cls\.', 'new_fc.'),
    (r'^backbone\.', 'base_model.'),
    (r'downsample\.conv\.', 'downsample.0.'),
    (r'downsample\.bn\.', 'downsample.1.'),
    (r'conv(\d)\.bn\.', r'bn\1.'),
    (r'conv(\d)\.conv\.', r'conv\1.'),
)


def convert_resnet(tensors: Mapping[str, Tensor], problems: Problems) -> tuple[dict[str, Tensor], dict]:
    """Convert the state of a released TSN with modules next to the convolutions that they follow.

    Args:
        tensors (Mapping[str, Tensor]): State dict of the TSN.
        problems (Problems): Collects tensors that do not match.

    Returns:
        tuple[dict[str, Tensor], dict]: State dict of an MMAction2 recognizer, and config of its backbone.
    """
    plain, modules = _split(tensors)
    config = _describe(plain)
    shapes = _shapes(config, plain)
    names = {_released(name): name for name in shapes}
    counters = {name: torch.tensor(0) for name in names if name.endswith('num_batches_tracked')}
    converted = rename({**counters, **plain}, names, shapes, problems)  # PyTorch before 0.4.1 has no batch counters
    if modules:
        config.update(type='DyRegResNetTSM', plugins=[])
    for path, module in modules.items():
        weight = plain.get(f'base_model.{path}.weight')
        channels = len(weight) if weight is not None and weight.ndim else None
        state, plugin = convert_module(module, problems, f'base_model.{path}.', channels)
        name = f'{path}.conv'.replace('.', '-')
        converted.update({f'backbone.plugins.{name}.{key}': value for key, value in state.items()})
        config['plugins'].append(dict(plugin, after=f'{path}.conv'))
    return converted, config


def _split(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Split a state dict into the model without modules, and the modules by path of their convolution."""
    plain: dict[str, Tensor] = {}
    modules: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        match = re.fullmatch(r'base_model\.(.+?)\.((?:dynamic_graph|norm_dict)\..+)', name)
        if match:
            modules.setdefault(match[1], {})[match[2]] = value
        else:
            plain[name] = value
    return plain, modules


def _describe(tensors: Mapping[str, Tensor]) -> dict:
    """Return the config of the backbone that best matches the blocks found."""
    blocks = [match for name in tensors if (match := re.match(r'base_model\.layer([1-4])\.(\d+)\.', name))]
    found = [max((int(block[2]) + 1 for block in blocks if int(block[1]) == stage), default=0) for stage in range(1, 5)]
    bottleneck = any('.conv3.' in name for name in tensors)

    def distance(depth: int) -> int:
        counts, has_bottlenecks = RESNETS[depth]
        return sum(abs(a - b) for a, b in zip(counts, found, strict=True)) + 100 * (bottleneck != has_bottlenecks)

    block_shifts = any(re.match(r'base_model\.layer\d\.\d+\.net\.', name) for name in tensors)
    return dict(
        type='ResNetTSM',
        depth=min(RESNETS, key=distance),
        is_shift=any('.net.' in name for name in tensors),
        shift_place='block' if block_shifts else 'blockres',
    )


def _shapes(config: dict, tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Return the expected shapes by name in MMAction2."""
    with torch.device('meta'):
        backbone = ResNetTSM(pretrained=None, **{key: value for key, value in config.items() if key != 'type'})
    num_classes = tensors['new_fc.bias'].numel() if 'new_fc.bias' in tensors else 0
    return {
        **{f'backbone.{name}': value.shape for name, value in backbone.state_dict().items()},
        'cls_head.fc_cls.weight': torch.Size((num_classes, 2048 if RESNETS[config['depth']][1] else 512)),
        'cls_head.fc_cls.bias': torch.Size((num_classes,)),
    }


def _released(name: str) -> str:
    for pattern, replacement in MMACTION_TO_RELEASED:
        name = re.sub(pattern, replacement, name)
    return name
