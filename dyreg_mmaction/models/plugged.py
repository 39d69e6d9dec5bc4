"""Backbones with plugins."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .forwards import Forward, frames_of_batch, running, runs
from .layouts import ANY, Layout
from .plugin_hook import PluginHook
from .plugin_weights import check_shapes, count_missing, load_plugins, warn_missing
from .plugins import insert_plugins
from .probing import Probe
from .shift import copy_once
from .size import height_and_width, positive_integer
from .temporal_shift import ShiftHook

SIZES = ('img_size', 'spatial_size', 'input_resolution')  # names of the frame size in MMAction2's transformers
FRAMES = ('num_frames', 'temporal_size', 't_size')


class Plugged(nn.Module):
    """Mixin before a backbone that builds plugins and passes the features of sub-modules through them.

    Plugins are stored under ``plugins``, and the keys of the parent's state dict do not change. Without plugins the
    backbone behaves exactly like its parent.

    Args:
        *args: Arguments of the parent.
        plugins (Sequence[dict]): Modules to insert, each ``dict(type=..., after=<path of a sub-module>, ...)``.
            ``layout`` is the layout of the sub-module's output if it cannot be derived, see :mod:`.layouts`.
        input_size (int | tuple[int, int], optional): Height and width of the frames in training, in pixels, which
            determine the sizes of the maps. Defaults to the parent's ``img_size`` (or its equivalent), else 224.
        num_frames (int, optional): Clip length in training, for backbones that take clips. Defaults to the parent's
            ``num_frames`` (or its equivalent), else 32.
        num_segments (int | str, optional): Clip length for backbones that take frames. 'batch': read from each batch;
            requires :class:`.RegionRecognizer2D` (TSN trains on 3 frames and is tested on 25).
        channels_last (bool): Whether weights and features are channels last in memory, which is faster on CPUs and, in
            half precision, on GPUs.
        **kwargs: Arguments of the parent.

    Raises:
        ValueError: If a plugin is incompatible, or ``num_segments`` is missing.
        RuntimeError: In the forward, if a plugin did not run exactly once, or a norm is folded across one.
    """

    takes_clips: bool
    num_segments: int | None
    _clip_length: int | None = None  # of the plugins; None: any
    _layouts: Sequence[Layout] = ANY  # of sub-modules; the first match is used
    plugins: Any  # an nn.ModuleDict, or an empty dict
    _channels_last = False
    _time_axis = 2  # of clips
    _num_axes: int | None = None  # of the input; None: not checked
    _plugin_hooks: Sequence[PluginHook | ShiftHook] = ()
    _unloaded = 0

    def __init__(
        self,
        *args: Any,
        plugins: Sequence[dict] = (),
        input_size: int | tuple[int, int] | None = None,
        num_frames: int | None = None,
        num_segments: int | str | None = None,
        channels_last: bool = False,
        **kwargs: Any,
    ) -> None:
        signature = inspect.signature(super().__init__)
        of_parent = 'num_segments' in signature.parameters
        _check_num_segments(num_segments, of_parent)
        for name, value in (('num_segments', num_segments), ('num_frames', num_frames)):
            if value is not None and name in signature.parameters:
                kwargs[name] = value
        super().__init__(*args, **kwargs)
        copy_once(self)
        if plugins and not self.takes_clips and not of_parent:
            if num_segments is None:
                raise ValueError(
                    f'{type(self).__name__} takes frames and does not know the clip length; set its num_segments to '
                    "num_clips of SampleFrames, or to 'batch'"
                )
            self.num_segments = None if isinstance(num_segments, str) else num_segments
        self.plugins = {}  # an empty module would have its own training flag
        if plugins:
            given = signature.bind_partial(*args, **kwargs)
            given.apply_defaults()
            size = _first(dict(given.arguments, input_size=input_size), ('input_size', *SIZES))
            height, width = height_and_width(224 if size is None else size, 'input_size')
            time = num_frames or _first(given.arguments, FRAMES) or 32
            clips_alike = not self.takes_clips and self.num_segments is not None
            self._insert(plugins, self._probe((time, height, width)), clips_alike)
        self._channels_last = channels_last
        if channels_last:
            for parameter in self.parameters():
                parameter.data = _channels_last(parameter.data)

    def _insert(self, plugins: Sequence[dict], probe: Probe, clips_alike: bool) -> None:
        """Build and insert the plugins, see :func:`.insert_plugins`."""
        self.plugins, self._plugin_hooks = insert_plugins(self, plugins, probe, clips_alike, self._layouts)
        self._clip_length = probe.size[0] if clips_alike else None

    def _probe(self, size: tuple[int, int, int]) -> Probe:
        """Return two clips of size (T, H, W) on the meta device."""
        channels = next(m.in_channels for m in self.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
        time = size[0] if self.takes_clips else self.num_segments or 8
        shape = (2, channels, time) if self.takes_clips else (2 * time, channels)
        return Probe(torch.empty(*shape, *size[1:], device='meta'), (time, *size[1:]))

    def forward(self, x: Tensor | None = None, *args, **kwargs):
        """Run the parent's forward and each plugin once. The input may have the name that the parent gives it."""
        if self._channels_last and x is not None:
            x = _channels_last(x)
        return self._run(super().forward, x, *args, **kwargs)

    def _run(self, function: Callable, x: Tensor | None, *args, **kwargs):
        """Run the parent's forward, or another method for all frames, and each plugin once."""
        run = functools.partial(function, *(args if x is None else (x, *args)), **kwargs)
        if not self._plugin_hooks or runs(self):
            return run()
        if x is None:
            x = next((value for value in kwargs.values() if _has_axes(value, self._num_axes)), None)
        if x is None or not _has_axes(x, self._num_axes):
            axes = f' of {self._num_axes} axes, as its example' if self._num_axes else ''
            raise ValueError(f'{type(self).__name__} takes a tensor{axes}, but got {_describe(x)}')
        num_clips = x.shape[0] if self.takes_clips else self._count_clips(x.shape[0])  # len() is fixed in an export
        for hook in self._plugin_hooks:
            hook.attach(self)
        time = x.shape[self._time_axis] if x.ndim == 5 else self.num_segments or x.shape[0] // num_clips
        forward = Forward(num_clips, (time, x.shape[-2], x.shape[-1]), self)
        with running(forward):
            y = run()
        for hook in self._plugin_hooks:
            hook.check(forward)
        return y

    def _count_clips(self, num_frames: int) -> int:
        frames = self.num_segments or frames_of_batch(self)
        if frames is None:
            raise ValueError(
                f"{type(self).__name__} has num_segments='batch', but the recognizer does not report the clip length; "
                'use RegionRecognizer2D, or set num_segments to a number'
            )
        if self._clip_length not in (None, frames):
            raise ValueError(
                f'num_segments of {type(self).__name__} was changed to {frames} after its plugins were built for '
                f'{self._clip_length} frames; build the model with the new number'
            )
        if num_frames % frames:
            raise ValueError(
                f'{num_frames} frames are not a multiple of num_segments={frames}; set num_segments of the backbone to '
                'num_clips of SampleFrames'
            )
        return num_frames // frames

    def train(self, mode: bool = True):
        """Set the training mode; ``norm_eval`` and similar options of the parent do not apply to plugins."""
        with self._without_plugins() as plugins:
            super().train(mode)
        if plugins is not None:
            plugins.train(mode)
        for hook in self._plugin_hooks:  # modules may have been replaced; attach before they are compiled
            hook.attach(self)
        if mode:
            self._unloaded = 0
        if self._unloaded:
            warn_missing(self._unloaded, len(self.plugins))
        return self

    def init_weights(self, *args) -> None:
        """Initialize the parent without plugins, because that would overwrite their zero scales.

        A checkpoint that the parent loads is also loaded into the plugins. Models without ``init_weights``, such as
        torchvision's, keep their weights.
        """
        if not hasattr(super(), 'init_weights'):
            return None
        with self._without_plugins() as plugins:
            if plugins is None:  # also during construction: some parents initialize in their constructor
                return super().init_weights(*args)  # type: ignore[misc]
            loading = self.register_load_state_dict_pre_hook(functools.partial(load_plugins, plugins))
            try:
                super().init_weights(*args)  # type: ignore[misc]
            finally:
                loading.remove()

    @contextmanager
    def _without_plugins(self) -> Iterator[nn.Module | None]:
        """Remove the plugins from the module tree inside the context."""
        plugins = self._modules.pop('plugins', None)
        try:
            yield plugins
        finally:
            if plugins is not None:
                self._modules['plugins'] = plugins

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Raise an error for a checkpoint with other shapes, which MMEngine only logs, leaving random weights."""
        if self._plugin_hooks:
            check_shapes(self, state_dict, prefix)
        if 'plugins' in self._modules:  # they are not while the parent loads its own weights
            self._unloaded = count_missing(self.plugins, state_dict, prefix)
            if self._unloaded and not self.training:
                warn_missing(self._unloaded, len(self.plugins))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _first(arguments: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the first of several arguments that is not None."""
    return next((arguments[name] for name in names if arguments.get(name) is not None), None)


def _check_num_segments(num_segments: int | str | None, of_parent: bool) -> None:
    if num_segments is not None and not isinstance(num_segments, str):
        positive_integer(num_segments, 'num_segments')
    if isinstance(num_segments, str) and (of_parent or num_segments != 'batch'):
        raise ValueError(
            f'num_segments is {num_segments!r}, but must be a number'
            + ('' if of_parent else ", or 'batch' if the clip length differs between batches")
        )


def _channels_last(x: Tensor) -> Tensor:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.ndim]) if x.ndim in formats else x


def _has_axes(x: Any, num_axes: int | None) -> bool:
    return isinstance(x, Tensor) and num_axes in (None, x.ndim)


def _describe(x: Any) -> str:
    return f'shape {tuple(x.shape)}' if isinstance(x, Tensor) else type(x).__name__
