"""A row of the lists in repairs.py and policies.py."""

from collections.abc import Callable
from typing import NamedTuple


class Patch(NamedTuple):
    """A patch of upstream code.

    Attributes:
        apply (Callable): Applies it. The first line of its docstring says what is wrong and what the patch does.
        upstream (str): ``file:line function`` that is patched; lines are those of mmaction2 1.2.0, mmengine 0.10.7,
            mmcv 2.1.0 and torch 2.13.0.
        fixed_in (str): Release from which on the patch is obsolete; empty while there is none.
        in_loop (bool): Whether a policy still has an effect once the runner is built, so that
            :class:`.ResumableTrainLoop` enables it.
    """

    apply: Callable[[], None]
    upstream: str
    fixed_in: str = ''
    in_loop: bool = False

    @property
    def summary(self) -> str:
        """What is wrong and what the patch does, in one line."""
        return (self.apply.__doc__ or '').partition('\n')[0]
