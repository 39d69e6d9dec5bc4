"""Auxiliary losses on regions. A new region loss is a new file, see :class:`.RegionLoss`."""

from .base import RegionLoss
from .boxes import BoxLikelihood
from .distillation import RegionDistillation
from .frames import clip_frames
from .motion import MotionLikelihood
from .phase import Phase, PhasedLoss
from .repulsion import CenterRepulsion

__all__ = [
    'BoxLikelihood',
    'CenterRepulsion',
    'MotionLikelihood',
    'Phase',
    'PhasedLoss',
    'RegionDistillation',
    'RegionLoss',
    'clip_frames',
]
