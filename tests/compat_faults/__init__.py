"""Faults of the unpatched stack, one module for each module of dyreg_mmaction/compat."""

from importlib import import_module
from pathlib import Path

from .registry import FAULTS, HIDDEN

__all__ = ['FAULTS', 'HIDDEN']

for path in sorted(Path(__file__).parent.glob('*.py')):
    if path.stem != '__init__':
        import_module(f'{__name__}.{path.stem}')
