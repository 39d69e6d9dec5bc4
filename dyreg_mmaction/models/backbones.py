"""MMAction2's backbones with a ``plugins`` argument, named ``DyReg`` + the name of the parent."""

from collections.abc import Sequence
from typing import Any

from mmaction.models import backbones as parents
from torch import nn

from dyreg_mmaction.registry import MODELS

from .layouts import ANY, ChannelsLast, Clips, Frames, FrameTokens, Layout, SizedTokens, Tokens
from .plugging import plugged_class

MAPS = (Clips(), Frames())
# Backbones by input, frames (B*T,C,H,W) or clips (B,C,T,H,W), and the layouts of transformers' sub-modules
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
    'ResNetTIN': 'its shift is an operator of full mmcv that requires a GPU, so the sizes of its maps are unknown',
    'MobileOneTSM': 'MMAction2 provides MobileOneTSM only if mmpretrain is installed',
    'RGBPoseConv3D': 'its input includes pose heatmaps; DyRegResNet3dSlowOnly takes frames only',
    'ResNetAudio': 'its input is a spectrogram, which has no frames',
    'BeitModel3D': 'it is a part of VindLU, a model of videos and texts that requires timm and transformers < 5',
    'AAGCN': 'its input is a skeleton, which has no feature map',
    'STGCN': 'its input is a skeleton, which has no feature map',
}


def add_plugins(
    parent: type[nn.Module],
    takes_clips: bool,
    layouts: Sequence[Layout] = ANY,
    name: str | None = None,
) -> type[nn.Module]:
    """Create and register a subclass of a backbone with a ``plugins`` argument, see :class:`.Plugged`.

    Args:
        parent (type): A backbone.
        takes_clips (bool): Whether its forward takes clips (B, C, T, H, W) or frames (B*T, C, H, W).
        layouts (Sequence[Layout]): Possible layouts of its sub-modules; the first match is used.
        name (str, optional): Registered name. Defaults to ``DyReg`` + the parent's name.

    Returns:
        type: The class.

    Raises:
        ValueError: If the name is registered for another backbone with plugins.
    """
    name = name or f'DyReg{parent.__name__}'
    registered: Any = MODELS.module_dict.get(name)
    if isinstance(registered, type):
        other = registered.__bases__[-1]
        if other is parent:
            return registered
        raise ValueError(
            f'{name!r} is registered for {other.__module__}.{other.__qualname__}; pass another name to add_plugins, '
            f"like name='My{name}'"
        )
    cls = plugged_class(parent, takes_clips, tuple(layouts), name)  # type: ignore[arg-type]
    return MODELS.register_module(name=name, module=cls, force=registered is not None)  # may replace an explanation


def _explain_absence(parent: str) -> None:
    """Register, under the expected name, a function that raises the reason why a backbone has no plugins."""

    def build(**kwargs):
        """Raises ValueError."""
        reason = ABSENT.get(parent, 'it does not compute feature maps that plugins can refine')
        raise ValueError(
            f'DyReg{parent} does not exist: {reason}; choose one of {[f"DyReg{name}" for name in AVAILABLE]}'
        )

    MODELS.register_module(name=f'DyReg{parent}', module=build)


AVAILABLE = [name for name in (*FRAME_BACKBONES, *CLIP_BACKBONES, *TRANSFORMERS) if hasattr(parents, name)]
for _name in AVAILABLE:
    _cls = add_plugins(getattr(parents, _name), _name not in FRAME_BACKBONES, TRANSFORMERS.get(_name, MAPS))
    globals()[_cls.__name__] = _cls
for _name in sorted({*parents.__all__, *ABSENT} - {*AVAILABLE}):
    _explain_absence(_name)
