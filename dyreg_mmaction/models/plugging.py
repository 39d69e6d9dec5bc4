"""Plugins in any model, for example of timm or torchvision."""

import functools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .layouts import ANY, Layout
from .plugged import Plugged
from .probing import Probe

WRAPPERS = {
    'ScriptModule': 'is scripted',
    'GraphModule': 'is a traced graph',
    'OptimizedModule': 'is compiled',
    'DataParallel': 'is distributed',
    'DistributedDataParallel': 'is distributed',
    'FullyShardedDataParallel': 'is distributed',
}


def plug(model: nn.Module, plugins: Sequence[dict], example: Tensor) -> nn.Module:
    """Insert plugins into any module, in place.

    .. code:: python

        model = timm.create_model('vit_base_patch16_224', pretrained=True)
        plug(model, [dict(type='DyRegGNN', after='blocks.7')], example=torch.zeros(8, 3, 224, 224))
        model(frames)  # any number of clips of 8 frames

    The model keeps its parameters and their names, and initially its outputs, because plugins start as the identity.

    Args:
        model (nn.Module): The model.
        plugins (Sequence[dict]): Modules to insert, each ``dict(type=..., after=<path of a sub-module>, ...)``, see
            :class:`.Plugged`.
        example (Tensor): One clip in the model's input format: (1, C, T, H, W), (1, T, C, H, W) if that is what the
            first convolution has channels for, or its frames (T, C, H, W). Models that take frames then expect clips of
            T frames, flattened into the batch axis.

    Returns:
        nn.Module: The model.

    Raises:
        ValueError: If the model or the example is not supported, or a plugin is incompatible.
    """
    _check_model(model)
    name = type(model).__name__
    if not isinstance(plugins, list | tuple) or not plugins:
        raise ValueError(f'plugins is {plugins!r}, but must be a list with at least one dict(type=..., after=...)')
    if not isinstance(example, Tensor) or example.ndim not in (4, 5) or example.ndim == 5 and len(example) != 1:
        shape = tuple(example.shape) if isinstance(example, Tensor) else type(example).__name__
        raise ValueError(f'example is {shape}, but must be one clip (1, C, T, H, W), or its frames (T, C, H, W)')
    takes_clips = example.ndim == 5
    time_axis = _time_axis(model, example)
    time = example.shape[time_axis]
    if not takes_clips and getattr(model, 'num_segments', time) != time:
        raise ValueError(
            f'example has {time} frames, but num_segments of {name} is {model.num_segments}; use the same number'
        )
    return insert(model, plugins, example, time_axis, clips_alike=not takes_clips)


def insert(model: nn.Module, plugins: Sequence[dict], example: Tensor, time_axis: int, clips_alike: bool) -> nn.Module:
    """Insert plugins into any module, see :func:`plug`.

    Args:
        model (nn.Module): The model.
        plugins (Sequence[dict]): Modules to insert.
        example (Tensor): One clip.
        time_axis (int): Axis of the example that holds the frames.
        clips_alike (bool): Whether all clips have as many frames as the example.
    """
    takes_clips, time = example.ndim == 5, example.shape[time_axis]
    inputs = torch.empty(2 * len(example), *example.shape[1:], dtype=example.dtype, device='meta')
    plain: Any = type(model)
    plugged: Any = model
    plugged.__class__ = plugged_class(plain, takes_clips, ANY, None)
    try:
        plugged._insert(plugins, Probe(inputs, (time, *example.shape[-2:])), clips_alike)
    except BaseException:
        plugged.__class__ = plain
        raise
    plugged._time_axis = time_axis
    plugged._num_axes = example.ndim
    if not takes_clips:
        plugged.num_segments = time if clips_alike else None
    weight = next((parameter for parameter in model.parameters() if parameter.is_floating_point()), example)
    plugged.plugins.to(weight.device, weight.dtype)
    return model


def _check_model(model: nn.Module) -> None:
    """Check that plugins can be inserted into a model, and that it has none."""
    reason = next((WRAPPERS[kind.__name__] for kind in type(model).__mro__ if kind.__name__ in WRAPPERS), None)
    if hasattr(model, 'plugins') or any(isinstance(module, Plugged) for module in model.modules()):
        reason = "has plugins, or a sub-module 'plugins'"
    if reason is None and 'forward' in vars(model):
        reason = 'has a replaced forward'
    if reason is not None:
        raise ValueError(f'{type(model).__name__} {reason}; use the original model, and insert all plugins at once')


def _time_axis(model: nn.Module, example: Tensor) -> int:
    if example.ndim == 4:
        return 0
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Conv3d))
    channels = next((convolution.in_channels for convolution in convolutions), example.shape[1])
    if example.shape[1] == channels == example.shape[2]:
        raise ValueError(
            f'example has shape {tuple(example.shape)}, whose second and third axis could both be the frames; use an '
            f'example of another number of frames than {channels}'
        )
    return 1 if example.shape[1] != channels == example.shape[2] else 2


@functools.cache
def plugged_class(parent: Any, takes_clips: bool, layouts: Sequence[Layout], name: str | None) -> type[nn.Module]:
    """Return the class of a module with plugins, whose instances are pickled through these arguments."""
    doc = (
        f'{parent.__name__} with ``plugins``, see :class:`Plugged`; without plugins it behaves exactly like its parent.'
    )
    arguments = (parent, takes_clips, layouts, name)

    def __reduce_ex__(self, protocol):
        _, _, *state = super(cls, self).__reduce_ex__(2)
        return _empty, arguments, *state

    def forward_features(self, x, *args, **kwargs):
        return self._run(super(cls, self).forward_features, x, *args, **kwargs)

    members = dict(takes_clips=takes_clips, _layouts=layouts, __module__=parent.__module__, __doc__=doc)
    if name is None and hasattr(parent, 'forward_features'):  # of timm, which MMAction2 runs instead of forward
        members['forward_features'] = forward_features
    bases = (_Sequence, Plugged, parent) if issubclass(parent, nn.Sequential) else (Plugged, parent)
    cls: Any = type(name or parent.__name__, bases, dict(members, __reduce_ex__=__reduce_ex__))
    return cls


class _Sequence:
    """Mixin before an nn.Sequential that excludes plugins from the sub-modules that it runs.

    Raises:
        TypeError: If a sub-module is inserted or deleted, because later ones, with their plugins, would be renumbered.
    """

    _modules: dict[str, nn.Module]
    _without_plugins: Any

    def __iter__(self):
        return (module for name, module in self._modules.items() if name != 'plugins')

    def __len__(self) -> int:
        return len(self._modules) - ('plugins' in self._modules)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return [*self][index]
        named = [(name, module) for name, module in self._modules.items() if name != 'plugins']
        return nn.Sequential(OrderedDict(named[index]))

    def __setitem__(self, index, module) -> None:
        with self._without_plugins():
            super().__setitem__(index, module)  # type: ignore[misc]

    def append(self, module):
        with self._without_plugins():
            return super().append(module)  # type: ignore[misc]

    def insert(self, index, module):
        raise TypeError(
            f'insert and del would move plugins of this {type(self).__name__} to other sub-modules; change the '
            'sequence before plug'
        )

    def __delitem__(self, index) -> None:
        self.insert(index, None)


def _empty(*arguments: Any) -> nn.Module:
    cls = plugged_class(*arguments)
    return cls.__new__(cls)
