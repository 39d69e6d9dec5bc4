"""What teaches regions beside the class label; a new region loss is a new file, see :class:`.RegionLoss`."""

from .base import RegionLoss
from .motion import MotionLikelihood
from .phase import Phase, PhasedLoss

__all__ = ['MotionLikelihood', 'Phase', 'PhasedLoss', 'RegionLoss']
