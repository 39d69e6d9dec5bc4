"""What a run needs besides model and data: optimiser groups, checks of a config."""

from .optim_groups import DyRegOptimWrapperConstructor
from .portion_hook import PortionHook

__all__ = ['DyRegOptimWrapperConstructor', 'PortionHook']
