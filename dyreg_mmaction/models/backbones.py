"""MMAction2's convolutional backbones, each with a ``plugins`` argument: ``DyReg`` + the name of the parent."""

from mmaction.models import backbones as parents
from torch import nn

from dyreg_mmaction.registry import MODELS

from .plugged import Plugged

# What their forward takes: frames (B*T,C,H,W), or clips (B,C,T,H,W).
FRAME_BACKBONES = ('ResNet', 'ResNetTSM', 'TANet', 'MobileNetV2', 'MobileNetV2TSM', 'MobileOneTSM')
CLIP_BACKBONES = (
    'C2D', 'C3D', 'X3D', 'ResNet3d', 'ResNet3dLayer', 'ResNet3dSlowOnly', 'ResNet3dSlowFast', 'ResNet3dCSN',
    'ResNet2Plus1d', 'OmniResNet',
)  # fmt: skip
ABSENT = {
    'ResNetTIN': 'its shift is an operator of full mmcv that runs on GPUs only, so that its maps cannot be worked out',
    'MobileOneTSM': 'MMAction2 has MobileOneTSM only where mmpretrain is installed',
}


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


def _explain_absence(parent: str) -> None:
    """Registers, under the name that one would try, why a backbone takes no plugins."""

    def build(**kwargs):
        """Raises ValueError."""
        reason = ABSENT.get(parent, 'it is not among the backbones of feature maps that plugins refine')
        raise ValueError(f'there is no DyReg{parent}: {reason}; choose one of {[f"DyReg{name}" for name in THERE]}')

    MODELS.register_module(name=f'DyReg{parent}', module=build)


THERE = [name for name in (*FRAME_BACKBONES, *CLIP_BACKBONES) if hasattr(parents, name)]
for _name in THERE:
    globals()[f'DyReg{_name}'] = add_plugins(getattr(parents, _name), takes_clips=_name in CLIP_BACKBONES)
for _name in sorted({*parents.__all__, *ABSENT} - {*THERE}):
    _explain_absence(_name)
