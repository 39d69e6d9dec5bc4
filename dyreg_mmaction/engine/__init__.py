"""What a run needs besides model and data: optimiser groups, hooks, checks of a config."""

from .hooks import AttachRegionsHook
from .optim_groups import DyRegOptimWrapperConstructor
from .portion_hook import PortionHook

__all__ = ['AttachRegionsHook', 'DyRegOptimWrapperConstructor', 'PortionHook']
