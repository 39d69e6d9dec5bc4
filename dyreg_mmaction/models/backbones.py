"""MMAction2's convolutional backbones, each with a ``plugins`` argument: ``DyReg`` + the name of the parent."""

import functools
import inspect
from collections.abc import Sequence

import torch
from mmaction.models import backbones as parents
from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from .plugins import Refinement, insert_plugins
from .size import height_and_width

# What their forward takes: frames (B*T,C,H,W), or clips (B,C,T,H,W). ResNetTIN shifts by an operator of full mmcv that
# exists on GPUs only, so that its maps cannot be probed when it is built.
FRAME_BACKBONES = ('ResNet', 'ResNetTSM', 'TANet', 'MobileNetV2', 'MobileNetV2TSM', 'MobileOneTSM')
CLIP_BACKBONES = (
    'C2D', 'C3D', 'X3D', 'ResNet3d', 'ResNet3dLayer', 'ResNet3dSlowOnly', 'ResNet3dSlowFast', 'ResNet3dCSN',
    'ResNet2Plus1d', 'OmniResNet',
)  # fmt: skip


class Plugged(nn.Module):
    """Mixin in front of a backbone: builds its plugins and lets its forward run through them.

    Plugins live under ``plugins``; no key of the parent's state dict changes.

    Args:
        plugins (Sequence[dict]): Modules to insert, each ``dict(type=..., after=<path of a sub-module>, ...)``.
        input_size (int | tuple[int, int]): Height and width of the frames in training, in pixels; the maps' sizes
            follow from it.
        num_segments (int, optional): Frames per clip, for backbones that take frames.
        channels_last (bool): Whether weights and features lie channels last in memory, which is faster on CPUs and,
            in half precision, on GPUs.
        **kwargs: Of the parent.

    Raises:
        ValueError: If a plugin does not fit, or ``num_segments`` is missing.
    """

    takes_clips: bool
    num_segments: int
    plugins: nn.ModuleDict
    _refinements: Sequence[Refinement] = ()
    channels_last = False

    def __init__(
        self,
        *args,
        plugins: Sequence[dict] = (),
        input_size: int | tuple[int, int] = 224,
        num_segments: int | None = None,
        channels_last: bool = False,
        **kwargs,
    ) -> None:
        if num_segments is not None and num_segments < 1:
            raise ValueError(f'num_segments={num_segments} must be at least 1')
        if num_segments is not None and 'num_segments' in inspect.signature(super().__init__).parameters:
            kwargs['num_segments'] = num_segments
        super().__init__(*args, **kwargs)
        if not self.takes_clips and not hasattr(self, 'num_segments'):
            self.num_segments = num_segments or 1
            if plugins and num_segments is None:
                raise ValueError(
                    f'{type(self).__name__} sees frames, not clips: give it num_segments, the frames of a clip '
                    '(num_clips of SampleFrames), beside its plugins'
                )
        self.plugins, self._refinements = insert_plugins(self, list(plugins), self._example(input_size))
        self.channels_last = channels_last
        if channels_last:
            for parameter in self.parameters():
                parameter.data = _channels_last(parameter.data)

    def _example(self, input_size: int | tuple[int, int]) -> Tensor:
        """One clip on the meta device."""
        size = height_and_width(input_size, 'input_size')
        channels = next(m.in_channels for m in self.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
        if self.takes_clips:
            return torch.empty(1, channels, 32, *size, device='meta')
        return torch.empty(self.num_segments, channels, *size, device='meta')

    def forward(self, x: Tensor, *args, **kwargs):
        """The parent's forward, its plugins told how the batch splits into clips."""
        if self.takes_clips:
            for refinement in self._refinements:
                refinement.clips = (len(x), -1)
        elif self._refinements and len(x) % self.num_segments:
            raise ValueError(
                f'{len(x)} frames are no whole number of clips of num_segments={self.num_segments}; make num_clips of '
                'SampleFrames and num_segments of the backbone agree'
            )
        return super().forward(_channels_last(x) if self.channels_last else x, *args, **kwargs)

    def init_weights(self, *args) -> None:
        """The parent's initialisation, which must not reach the plugins: it would undo their zero scales.

        A checkpoint that the parent loads on the way does reach them.
        """
        plugins = self._modules.pop('plugins', None)
        if plugins is None:  # some parents initialise in their constructor
            return super().init_weights(*args)  # type: ignore[misc]
        loading = self.register_load_state_dict_pre_hook(functools.partial(_load_plugins, plugins))
        try:
            super().init_weights(*args)  # type: ignore[misc]
        finally:
            loading.remove()
            self._modules['plugins'] = plugins

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Refuse a checkpoint of other shapes, which MMEngine would only log and leave random."""
        for key, value in self.state_dict().items():
            given = state_dict.get(prefix + key)
            if given is not None and given.shape != value.shape:
                raise ValueError(
                    f'checkpoint has {prefix + key} of shape {tuple(given.shape)}, {type(self).__name__} of '
                    f'{tuple(value.shape)}; make depth, widths, num_nodes and input_size of the config those that the '
                    'checkpoint was trained with'
                )
        super()._load_from_state_dict(state_dict, prefix, *args)


def _load_plugins(plugins: nn.Module, _, state_dict: dict, prefix: str, *__) -> None:
    """Moves the weights of plugins from a state dict into ``plugins``."""
    own = f'{prefix}plugins.'
    keys = [key for key in state_dict if key.startswith(own)]
    plugins.load_state_dict({key.removeprefix(own): state_dict.pop(key) for key in keys}, strict=False)


def _channels_last(x: Tensor) -> Tensor:
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.ndim]) if x.ndim in formats else x


def add_plugins(parent: type[nn.Module], takes_clips: bool) -> type[nn.Module]:
    """Class ``DyReg`` + the parent's name that is its parent with a ``plugins`` argument, registered.

    Args:
        parent (type): A backbone.
        takes_clips (bool): Whether its forward takes clips (B, C, T, H, W) or frames (B*T, C, H, W).
    """
    name = f'DyReg{parent.__name__}'
    doc = f'{parent.__name__} with ``plugins``, see :class:`Plugged`; with none it is its parent, weight for weight.'
    members = dict(takes_clips=takes_clips, __module__=__name__, __doc__=doc)
    return MODELS.register_module(module=type(name, (Plugged, parent), members))


for _names, _takes_clips in ((FRAME_BACKBONES, False), (CLIP_BACKBONES, True)):
    for _name in _names:
        if hasattr(parents, _name):  # MobileOneTSM is there only with mmpretrain
            globals()[f'DyReg{_name}'] = add_plugins(getattr(parents, _name), _takes_clips)
