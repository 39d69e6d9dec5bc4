"""Plugins in backbones that Recognizer2D builds from torchvision, timm and mmpretrain."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .plugging import insert
from .size import height_and_width

LIBRARIES = ('torchvision.', 'timm.', 'mmpretrain.', 'mmcls.')
OPTIONS = ('plugins', 'num_segments', 'input_size')


class PlugsBackbone:
    """Mixin before a Recognizer2D whose backbones from other libraries have a ``plugins`` argument.

    .. code:: python

        model = dict(type='RegionRecognizer2D', backbone=dict(
            type='torchvision.resnet50', weights='IMAGENET1K_V1', num_segments=8,
            plugins=[dict(type='TemporalShift'), dict(type='DyRegGNN', after='layer3.4.conv2')]))

    The keys of the state dict are those of the model without plugins.

    Args:
        backbone (dict): Config of the backbone, for other libraries with ``plugins``, ``num_segments`` and
            ``input_size``, see :class:`.Plugged`.
        *args: Arguments of the recognizer.
        **kwargs: Arguments of the recognizer.

    Raises:
        ValueError: If ``num_segments`` is missing, or a plugin is incompatible.
    """

    def __init__(self, backbone: dict, *args, **kwargs) -> None:
        plugs = is_from_library(backbone) and 'plugins' in backbone
        options = {key: backbone[key] for key in OPTIONS if key in backbone} if plugs else {}
        own = type(backbone)({key: value for key, value in backbone.items() if key not in options})
        super().__init__(own, *args, **kwargs)  # type: ignore[call-arg]
        if options.get('plugins'):
            plug_backbone(self, **options)


def is_from_library(backbone: dict) -> bool:
    """Return whether a config describes a backbone of torchvision, timm or mmpretrain."""
    kind = backbone.get('type')
    return (kind if isinstance(kind, str) else f'{getattr(kind, "__module__", "")}.').startswith(LIBRARIES)


def module_run(recognizer: Any) -> nn.Module:
    """Return the module that a recognizer runs: the backbone, or its ``features`` in models of torchvision."""
    backbone = recognizer.backbone
    features = getattr(backbone, 'features', None)
    from_torchvision = getattr(recognizer, 'backbone_from', None) == 'torchvision'
    return features if from_torchvision and isinstance(features, nn.Module) else backbone


def plug_backbone(
    recognizer: Any,
    plugins: Sequence[dict],
    num_segments: int | str | None = None,
    input_size: int | tuple[int, int] = 224,
) -> None:
    """Insert plugins into the module that the recognizer runs."""
    model = recognizer.backbone
    if num_segments != 'batch' and (type(num_segments) is not int or num_segments < 1):
        raise ValueError(
            f'num_segments={num_segments!r} beside plugins of {type(model).__name__} must be the number of frames per '
            "clip, num_clips of SampleFrames, or 'batch'"
        )
    run = module_run(recognizer)
    if run is not model:
        model, plugins = run, _inside_features(plugins)
    time = num_segments if isinstance(num_segments, int) else 8
    example = torch.empty(time, 3, *height_and_width(input_size, 'input_size'), device='meta')
    insert(model, plugins, example, time_axis=0, clips_alike=isinstance(num_segments, int))


def _inside_features(cfg: Any) -> Any:
    """Return a config in which all paths are relative to ``features``."""
    if isinstance(cfg, dict):
        return {key: _inside_features(cfg[key]) if key in ('after', 'before') else cfg[key] for key in cfg}
    if isinstance(cfg, list | tuple):
        return [_inside_features(each) for each in cfg]
    return cfg.removeprefix('features.') if isinstance(cfg, str) else cfg
