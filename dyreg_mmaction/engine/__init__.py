"""What a run needs besides model and data: optimiser groups, exact resume, checks of a config."""

from .interruption import SaveAndExitHook
from .optim_groups import DyRegOptimWrapperConstructor
from .resumable import ResumableTrainLoop, SeededSampler, SeededSamples

__all__ = ['DyRegOptimWrapperConstructor', 'ResumableTrainLoop', 'SaveAndExitHook', 'SeededSampler', 'SeededSamples']
