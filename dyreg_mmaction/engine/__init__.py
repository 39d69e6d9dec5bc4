"""What a run needs besides model and data: optimiser groups, checks of a config."""

from .damaged_samples import DamagedSamples
from .optim_groups import DyRegOptimWrapperConstructor

__all__ = ['DamagedSamples', 'DyRegOptimWrapperConstructor']
