"""MMAction2's backbones, each with a ``plugins`` argument: ``DyReg`` + the name of the parent."""

from collections.abc import Sequence
from typing import Any

from mmaction.models import backbones as parents
from torch import nn

from dyreg_mmaction.registry import MODELS

from .layouts import ANY, ChannelsLast, Clips, Frames, FrameTokens, Layout, SizedTokens, Tokens
from .plugging import plugged_class

MAPS = (Clips(), Frames())
# What their forward takes: frames (B*T,C,H,W), or clips (B,C,T,H,W); and what their sub-modules give
FRAME_BACKBONES = ('ResNet', 'ResNetTSM', 'TANet', 'MobileNetV2', 'MobileNetV2TSM', 'MobileOneTSM')
CLIP_BACKBONES = (
    'C2D', 'C3D', 'X3D', 'ResNet3d', 'ResNet3dLayer', 'ResNet3dSlowOnly', 'ResNet3dSlowFast', 'ResNet3dCSN',
    'ResNet2Plus1d', 'OmniResNet',
)  # fmt: skip
TRANSFORMERS: dict[str, tuple[Layout, ...]] = {
    'SwinTransformer3D': (ChannelsLast(), Clips(), Tokens()),
    'VisionTransformer': (Tokens(), Clips()),
    'MViT': (SizedTokens(), Tokens(), Clips()),
    'UniFormer': (Clips(), Tokens()),
    'UniFormerV2': (FrameTokens(batch_first=False), Clips()),
    'TimeSformer': (Tokens(time_last=True), FrameTokens(), Frames()),
}
ABSENT = {
    'ResNetTIN': 'its shift is an operator of full mmcv that runs on GPUs only, so that its maps cannot be worked out',
    'MobileOneTSM': 'MMAction2 has MobileOneTSM only where mmpretrain is installed',
    'RGBPoseConv3D': 'its forward takes heatmaps of poses beside the frames; DyRegResNet3dSlowOnly takes frames alone',
    'ResNetAudio': 'it sees spectrograms, which have no frames',
    'AAGCN': 'it sees skeletons, which have no map',
    'STGCN': 'it sees skeletons, which have no map',
}


def add_plugins(
    parent: type[nn.Module],
    takes_clips: bool,
    layouts: Sequence[Layout] = ANY,
    name: str | None = None,
) -> type[nn.Module]:
    """The class of a backbone that is its parent with a ``plugins`` argument, registered; see :class:`.Plugged`.

    Args:
        parent (type): A backbone.
        takes_clips (bool): Whether its forward takes clips (B, C, T, H, W) or frames (B*T, C, H, W).
        layouts (Sequence[Layout]): What its sub-modules give; of several that fit an output the first.
        name (str, optional): Name to register it by; None: ``DyReg`` + the parent's.

    Raises:
        ValueError: If the name is that of another backbone with plugins.
    """
    name = name or f'DyReg{parent.__name__}'
    registered: Any = MODELS.module_dict.get(name)
    if isinstance(registered, type):
        other = registered.__bases__[-1]
        if other is parent:
            return registered
        raise ValueError(
            f'{name!r} is registered for {other.__module__}.{other.__qualname__}; give add_plugins another name, like '
            f"name='My{name}'"
        )
    cls = plugged_class(parent, takes_clips, tuple(layouts), name)  # type: ignore[arg-type]
    return MODELS.register_module(name=name, module=cls, force=registered is not None)  # in place of an explanation


def _explain_absence(parent: str) -> None:
    """Registers, under the name that one would try, why a backbone takes no plugins."""

    def build(**kwargs):
        """Raises ValueError."""
        reason = ABSENT.get(parent, 'it is not among the backbones of feature maps that plugins refine')
        raise ValueError(f'there is no DyReg{parent}: {reason}; choose one of {[f"DyReg{name}" for name in THERE]}')

    MODELS.register_module(name=f'DyReg{parent}', module=build)


THERE = [name for name in (*FRAME_BACKBONES, *CLIP_BACKBONES, *TRANSFORMERS) if hasattr(parents, name)]
for _name in THERE:
    _cls = add_plugins(getattr(parents, _name), _name not in FRAME_BACKBONES, TRANSFORMERS.get(_name, MAPS))
    globals()[_cls.__name__] = _cls
for _name in sorted({*parents.__all__, *ABSENT} - {*THERE}):
    _explain_absence(_name)
