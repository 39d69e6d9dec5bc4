"""Faults of the stock stack, by the module of dyreg_mmaction/compat that patches them."""

from importlib import import_module
from pathlib import Path

from .registry import FAULTS, HIDDEN

__all__ = ['FAULTS', 'HIDDEN']

for path in sorted(Path(__file__).parent.glob('*.py')):
    if path.stem != '__init__':
        import_module(f'{__name__}.{path.stem}')
