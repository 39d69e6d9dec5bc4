"""What a run needs besides model and data: optimiser groups, hooks, exact resume, checks of a config."""

from .hooks import AttachRegionsHook, DrawRegionsHook, ValidateAtStartHook
from .interruption import SaveAndExitHook
from .optim_groups import DyRegOptimWrapperConstructor
from .portion_hook import PortionHook
from .resumable import ResumableTrainLoop, SeededSampler, SeededSamples

__all__ = [
    'AttachRegionsHook',
    'DrawRegionsHook',
    'DyRegOptimWrapperConstructor',
    'PortionHook',
    'ResumableTrainLoop',
    'SaveAndExitHook',
    'SeededSampler',
    'SeededSamples',
    'ValidateAtStartHook',
]
