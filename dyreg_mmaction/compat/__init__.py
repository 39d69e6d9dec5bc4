"""Patches of MMAction2, MMEngine, mmcv and PyTorch in memory: one function each, in modules by topic.

repairs.py lists the repairs, of faults. ``import dyreg_mmaction`` applies them, before anything of MMAction2 is
imported. policies.py lists the policies, which are choices. Our tools and our training loop enable them, and so does
:func:`enable_policies`. A patch calls what it replaces, even if a user has replaced that before. It is applied once, so
that what a user replaces later stays. No other package of this project patches upstream code.
"""

from collections.abc import Iterable

from .patch import Patch
from .policies import POLICIES
from .repairs import REPAIRS

__all__ = ['POLICIES', 'REPAIRS', 'apply_repairs', 'enable_loop_policies', 'enable_policies']

_applied: set[Patch] = set()


def apply_repairs() -> None:
    """Apply the repairs that are not applied yet."""
    _apply(REPAIRS)


def enable_policies() -> None:
    """Enable the policies that are not enabled yet; call it before a config is read or a runner is built."""
    _apply(POLICIES)


def enable_loop_policies() -> None:
    """Enable the policies that have an effect once the runner is built."""
    _apply(policy for policy in POLICIES if policy.in_loop)


def _apply(patches: Iterable[Patch]) -> None:
    for patch in patches:
        if patch not in _applied:
            patch.apply()
            _applied.add(patch)
