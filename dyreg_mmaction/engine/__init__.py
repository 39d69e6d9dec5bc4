"""What a run needs besides model and data: optimiser groups, hooks, exact resume, checks of a config."""

from .damaged_samples import DamagedSamples
from .hooks import AttachRegionsHook, DrawRegionsHook, FiniteHook, FuseHook, ValidateAtStartHook, WatchRegionsHook
from .interruption import SaveAndExitHook
from .optim_groups import DyRegOptimWrapperConstructor
from .portion_hook import PortionHook
from .resumable import ResumableTrainLoop, SeededSampler

__all__ = [
    'AttachRegionsHook',
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
