"""Insertion of plugins after sub-modules of a model, which keeps the model's state-dict keys."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .building import apart_from_seed, build
from .layouts import ANY, Layout, with_num_frames
from .places import check_place
from .plugin_hook import PluginHook, key_of
from .probing import Probe, find_places
from .temporal_shift import ShiftHook, TemporalShift


class Plugins(nn.ModuleDict):
    """Plugins by name: the path of the sub-module with '-' for '.'."""

    def forward(self, x: Any) -> Any:
        """Return x, for models whose forward runs all of their children in turn."""
        return x


def insert_plugins(
    model: nn.Module,
    plugins: Sequence[dict],
    probe: Probe,
    clips_alike: bool,
    candidates: Sequence[Layout] = ANY,
) -> tuple[Plugins, list[PluginHook | ShiftHook]]:
    """Build plugins and hook each of them after its sub-module.

    Args:
        model (nn.Module): The model.
        plugins (Sequence[dict]): Config of each plugin. ``after`` is the dotted path of the sub-module whose output it
            refines. ``layout`` is the layout of that output; by default the first matching one of ``candidates``.
            ``in_channels`` and ``feature_size`` are added. :class:`.TemporalShift` has ``before`` instead of ``after``.
        probe (Probe): Two clips on the meta device, in the model's input format.
        clips_alike (bool): Whether the clip length is that of the probe in every batch.
        candidates (Sequence[Layout]): Possible layouts of the model's sub-modules.

    Returns:
        tuple: The plugins, without temporal shifts, and all hooks.

    Raises:
        ValueError: If a path does not exist, is used twice, or does not give one feature map per forward.
    """
    if not isinstance(plugins, list | tuple):
        raise ValueError(f'plugins is {plugins!r}, but must be a list of such dicts')
    shifts = _shifts(model, [cfg for cfg in plugins if _is_shift(cfg)], probe)
    plugins = [cfg for cfg in plugins if not _is_shift(cfg)]
    paths = [_path(cfg) for cfg in plugins]
    for path in paths:
        check_place(model, path, paths)
    layouts = {path: cfg.get('layout') for path, cfg in zip(paths, plugins, strict=True)}
    places = find_places(model, layouts, probe, candidates) if paths else {}
    modules = Plugins()
    hooks: list[PluginHook | ShiftHook] = []
    with apart_from_seed():
        for path, cfg in zip(paths, plugins, strict=True):
            modules[key_of(path)] = _build(path, cfg, places[path].shape)
    for path in paths:
        layout, shape = places[path]
        if clips_alike:
            layout = with_num_frames(layout, shape[1])
        hooks.append(PluginHook(model, modules, path, layout, probe.size[0] / shape[1]))
    time = probe.size[0] if clips_alike else None
    hooks += [ShiftHook(model, path, shift_div, time) for path, shift_div in shifts.items()]
    return modules, hooks


def _is_shift(cfg: Any) -> bool:
    kind = cfg.get('type') if isinstance(cfg, dict) else None
    return kind is TemporalShift or isinstance(kind, str) and kind.rpartition('.')[2] == 'TemporalShift'


def _shifts(model: nn.Module, cfgs: Sequence[dict], probe: Probe) -> dict[str, int]:
    """Return ``shift_div`` of temporal shifts by the path of the sub-module whose input is shifted."""
    found: dict[str, int] = {}
    for cfg in cfgs:
        shift: Any = build(dict(cfg, type=TemporalShift), 'plugin')
        for path in shift.find_paths(model, probe):
            if path in found:
                raise ValueError(f'before={path!r} is used by two TemporalShift of plugins; use each path once')
            found[path] = shift.shift_div
    return found


def _path(cfg: dict) -> str:
    if not isinstance(cfg, dict) or not isinstance(cfg.get('after'), str) or 'type' not in cfg:
        raise ValueError(
            f"a plugin is {cfg!r}, but must be a dict like dict(type='DyRegGNN', after='layer3.4.conv2.conv')"
        )
    return cfg['after']


def _build(path: str, cfg: dict, shape: torch.Size) -> nn.Module:
    arguments = {key: value for key, value in cfg.items() if key not in ('after', 'layout')}
    if cfg.get('in_channels', shape[0]) != shape[0]:
        raise ValueError(
            f'{cfg["type"]} after {path!r} has in_channels={cfg["in_channels"]}, but the map has {shape[0]} channels; '
            'omit it'
        )
    try:
        return build(arguments, 'plugin', in_channels=shape[0], feature_size=tuple(shape[-2:]))
    except Exception as error:
        raise ValueError(f'{cfg["type"]} after {path!r}, a map (C, T, H, W) of {tuple(shape)}: {error}') from error
