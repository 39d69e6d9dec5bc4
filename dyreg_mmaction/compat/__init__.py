"""Patches of MMAction2, MMEngine, mmcv and PyTorch. One module per topic, one function per patch.

- repairs.py lists the repairs: patches that fix a fault. ``import dyreg_mmaction`` applies them before it imports any
  module of MMAction2.
- policies.py lists the policies: patches that change documented behavior. The command-line tools, the training loop and
  :func:`enable_policies` enable them.

All patches are made in memory. A patch calls the function that it replaces, so patches that users applied before stay
active. Each patch is applied once, so patches that users apply later stay active too. No other package of this project
patches upstream code.
"""

from collections.abc import Iterable

from .patch import Patch
from .policies import POLICIES
from .repairs import REPAIRS

__all__ = ['POLICIES', 'REPAIRS', 'apply_repairs', 'enable_loop_policies', 'enable_policies']

_applied: set[Patch] = set()


def apply_repairs() -> None:
    """Apply all repairs that are not applied yet."""
    _apply(REPAIRS)


def enable_policies() -> None:
    """Enable all policies that are not enabled yet. Call it before reading a config and before building a runner."""
    _apply(POLICIES)


def enable_loop_policies() -> None:
    """Enable the policies that still have an effect after the runner is built."""
    _apply(policy for policy in POLICIES if policy.in_loop)


def _apply(patches: Iterable[Patch]) -> None:
    for patch in patches:
        if patch not in _applied:
            patch.apply()
            _applied.add(patch)
