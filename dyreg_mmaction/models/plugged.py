"""A backbone whose forward runs through plugins."""

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .forwards import Forward, frames_of_batch, running
from .layouts import ANY, Layout
from .plugin_hook import PluginHook
from .plugin_weights import check_shapes, count_missing, load_plugins, warn_missing
from .plugins import insert_plugins
from .probing import Probe
from .shift import copy_once
from .size import height_and_width

SIZES = ('img_size', 'spatial_size', 'input_resolution')  # names of the frame size in MMAction2's transformers
FRAMES = ('num_frames', 'temporal_size', 't_size')


class Plugged(nn.Module):
    """Mixin in front of a backbone: builds its plugins and lets its forward run through them.

    Plugins live under ``plugins``; no key of the parent's state dict changes. With none it is its parent in everything.

    Args:
        plugins (Sequence[dict]): Modules to insert, each ``dict(type=..., after=<path of a sub-module>, ...)``.
            ``layout`` says what the sub-module gives where that does not follow, see :mod:`.layouts`.
        input_size (int | tuple[int, int], optional): Height and width of the frames in training, in pixels, from which
            the maps' sizes follow; None: the parent's ``img_size`` (or what it calls it), else 224.
        num_frames (int, optional): Frames of a clip in training, for backbones that take clips; None: the parent's
            ``num_frames`` (or what it calls it), else 32.
        num_segments (int | str, optional): Frames per clip, for backbones that take frames; 'batch': as many as each
            batch has, which a :class:`TakesFrames` recogniser tells (TSN trains on 3 and is tested on 25).
        channels_last (bool): Whether weights and features lie channels last in memory, which is faster on CPUs and,
            in half precision, on GPUs.
        **kwargs: Of the parent.

    Raises:
        ValueError: If a plugin does not fit, or ``num_segments`` is missing.
        RuntimeError: In a forward in which a plugin has not run exactly once, or if a norm is folded over one.
    """

    takes_clips: bool
    num_segments: int | None
    _layouts: Sequence[Layout] = ANY  # of sub-modules, the first that fits
    plugins: Any  # an nn.ModuleDict, or an empty dict
    _channels_last = False
    _plugin_hooks: Sequence[PluginHook] = ()
    _unloaded = 0

    def __init__(
        self,
        *args,
        plugins: Sequence[dict] = (),
        input_size: int | tuple[int, int] | None = None,
        num_frames: int | None = None,
        num_segments: int | str | None = None,
        channels_last: bool = False,
        **kwargs,
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
                    f'{type(self).__name__} sees frames, not clips: give it num_segments, the frames of a clip '
                    "(num_clips of SampleFrames), beside its plugins, or 'batch'"
                )
            self.num_segments = None if isinstance(num_segments, str) else num_segments
        self.plugins = {}  # an empty module would have a training flag of its own
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
        """Build the plugins and put them in their places, see :func:`.insert_plugins`."""
        self.plugins, self._plugin_hooks = insert_plugins(self, plugins, probe, clips_alike, self._layouts)

    def _probe(self, size: tuple[int, int, int]) -> Probe:
        """Two clips on the meta device, of T, H, W."""
        channels = next(m.in_channels for m in self.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
        time = size[0] if self.takes_clips else self.num_segments or 8
        shape = (2, channels, time) if self.takes_clips else (2 * time, channels)
        return Probe(torch.empty(*shape, *size[1:], device='meta'), (time, *size[1:]))

    def forward(self, x: Tensor, *args, **kwargs):
        """The parent's forward, through each plugin once."""
        if self._channels_last:
            x = _channels_last(x)
        if not self._plugin_hooks:
            return super().forward(x, *args, **kwargs)
        num_clips = x.shape[0] if self.takes_clips else self._count_clips(x.shape[0])  # len() is fixed in an export
        for hook in self._plugin_hooks:
            hook.attach(self)
        time = x.shape[2] if x.ndim == 5 else self.num_segments or x.shape[0] // num_clips
        forward = Forward(num_clips, (time, x.shape[-2], x.shape[-1]))
        with running(forward):
            y = super().forward(x, *args, **kwargs)
        for hook in self._plugin_hooks:
            hook.check(forward)
        return y

    def _count_clips(self, num_frames: int) -> int:
        frames = self.num_segments or frames_of_batch(self)
        if frames is None:
            raise ValueError(
                f"{type(self).__name__} has num_segments='batch', and nobody tells it the frames of a clip; make the "
                'recogniser a RegionRecognizer2D, or give num_segments as a number'
            )
        if num_frames % frames:
            raise ValueError(
                f'{num_frames} frames are no whole number of clips of num_segments={frames}; make num_clips of '
                'SampleFrames and num_segments of the backbone agree'
            )
        return num_frames // frames

    def train(self, mode: bool = True):
        """The parent's switch, whose ``norm_eval`` and the like are not about the plugins' norms."""
        with self._without_plugins() as plugins:
            super().train(mode)
        if plugins is not None:
            plugins.train(mode)
        for hook in self._plugin_hooks:  # whatever has been replaced since, before anything is compiled
            hook.attach(self)
        if mode:
            self._unloaded = 0
        if self._unloaded:
            warn_missing(self._unloaded, len(self.plugins))
        return self

    def init_weights(self, *args) -> None:
        """The parent's initialisation, which must not reach the plugins: it would undo their zero scales.

        A checkpoint that the parent loads on the way does reach them.
        """
        with self._without_plugins() as plugins:
            if plugins is None:  # or not yet: some parents initialise in their constructor
                return super().init_weights(*args)  # type: ignore[misc]
            loading = self.register_load_state_dict_pre_hook(functools.partial(load_plugins, plugins))
            try:
                super().init_weights(*args)  # type: ignore[misc]
            finally:
                loading.remove()

    @contextmanager
    def _without_plugins(self) -> Iterator[nn.Module | None]:
        """Takes the plugins out of the tree of modules."""
        plugins = self._modules.pop('plugins', None)
        try:
            yield plugins
        finally:
            if plugins is not None:
                self._modules['plugins'] = plugins

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Refuse a checkpoint of other shapes, which MMEngine would only log and leave random."""
        if self._plugin_hooks:
            check_shapes(self, state_dict, prefix)
        if 'plugins' in self._modules:  # which they are not while the parent loads weights of its own
            self._unloaded = count_missing(self.plugins, state_dict, prefix)
            if self._unloaded and not self.training:
                warn_missing(self._unloaded, len(self.plugins))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _first(arguments: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first of several arguments that is given."""
    return next((arguments[name] for name in names if arguments.get(name) is not None), None)


def _check_num_segments(num_segments: int | str | None, of_parent: bool) -> None:
    if isinstance(num_segments, int) and num_segments < 1:
        raise ValueError(f'num_segments={num_segments} must be at least 1')
    if isinstance(num_segments, str) and (of_parent or num_segments != 'batch'):
        raise ValueError(
            f'num_segments={num_segments!r} must be a number'
            + ('' if of_parent else ", or 'batch' where each batch may have clips of another length")
        )


def _channels_last(x: Tensor) -> Tensor:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.ndim]) if x.ndim in formats else x
