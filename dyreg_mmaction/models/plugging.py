"""Plugins in any model, for example of timm or torchvision."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .layouts import ANY, Layout
from .plugged import Plugged
from .probing import Probe


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
        example (Tensor): One clip in the model's input format: (1, C, T, H, W), or its frames (T, C, H, W). Models that
            take frames then expect clips of T frames, flattened into the batch axis.

    Returns:
        nn.Module: The model.

    Raises:
        ValueError: If the model or the example is not supported, or a plugin is incompatible.
    """
    name = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule | Plugged) or hasattr(model, 'plugins'):
        what = 'is scripted' if isinstance(model, torch.jit.ScriptModule) else "has plugins, or a sub-module 'plugins'"
        raise ValueError(f'{name} {what}; use the original model, and insert all plugins at once')
    if not isinstance(example, Tensor) or example.ndim not in (4, 5) or example.ndim == 5 and len(example) != 1:
        shape = tuple(example.shape) if isinstance(example, Tensor) else type(example).__name__
        raise ValueError(f'example is {shape}, but must be one clip (1, C, T, H, W), or its frames (T, C, H, W)')
    takes_clips = example.ndim == 5
    time = example.shape[2] if takes_clips else len(example)
    if not takes_clips and getattr(model, 'num_segments', time) != time:
        raise ValueError(
            f'example has {time} frames, but num_segments of {name} is {model.num_segments}; use the same number'
        )
    inputs = torch.empty(2 * len(example), *example.shape[1:], dtype=example.dtype, device='meta')
    plain: Any = type(model)
    plugged: Any = model
    plugged.__class__ = plugged_class(plain, takes_clips, ANY, None)
    try:
        plugged.num_segments = None if takes_clips else time
        plugged._insert(plugins, Probe(inputs, (time, *example.shape[-2:])), clips_alike=not takes_clips)
    except BaseException:
        plugged.__class__ = plain
        raise
    return model


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

    members = dict(takes_clips=takes_clips, _layouts=layouts, __module__=parent.__module__, __doc__=doc)
    bases = (_Sequence, Plugged, parent) if issubclass(parent, nn.Sequential) else (Plugged, parent)
    cls: Any = type(name or parent.__name__, bases, dict(members, __reduce_ex__=__reduce_ex__))
    return cls


class _Sequence:
    """Mixin before an nn.Sequential that excludes plugins from the sub-modules that it runs."""

    _modules: dict[str, nn.Module]

    def __iter__(self):
        return (module for name, module in self._modules.items() if name != 'plugins')

    def __len__(self) -> int:
        return len(self._modules) - ('plugins' in self._modules)


def _empty(*arguments: Any) -> nn.Module:
    cls = plugged_class(*arguments)
    return cls.__new__(cls)
