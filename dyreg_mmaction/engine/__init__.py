"""What a run needs besides model and data: optimiser groups, hooks, checks of a config."""

from .hooks import AttachRegionsHook, DrawRegionsHook
from .optim_groups import DyRegOptimWrapperConstructor

__all__ = ['AttachRegionsHook', 'DrawRegionsHook', 'DyRegOptimWrapperConstructor']
