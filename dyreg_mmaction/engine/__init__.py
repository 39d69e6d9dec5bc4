"""Hooks, the resumable training loop and the optimizer constructor, for use in configs."""

from .hooks import (
    AttachRegionsHook,
    CheckConfigHook,
    DamagedSamples,
    DrawRegionsHook,
    FiniteHook,
    FuseHook,
    PortionHook,
    SaveAndExitHook,
    ValidateAtStartHook,
    WatchRegionsHook,
)
from .optim_groups import DyRegOptimWrapperConstructor
from .resumable import ResumableTrainLoop, SeededSampler

__all__ = [
    'AttachRegionsHook',
    'CheckConfigHook',
    'DamagedSamples',
    'DrawRegionsHook',
    'DyRegOptimWrapperConstructor',
    'FiniteHook',
    'FuseHook',
    'PortionHook',
    'ResumableTrainLoop',
    'SaveAndExitHook',
    'SeededSampler',
    'ValidateAtStartHook',
    'WatchRegionsHook',
]
