"""Message passing: modules from nodes (B, T, N, C) and their regions to nodes (B, T, N, C)."""

from .equations import EquationGraph
from .rstg import MultiScaleGraph
from .space_time import SpaceTimeGraph

__all__ = ['EquationGraph', 'MultiScaleGraph', 'SpaceTimeGraph']
