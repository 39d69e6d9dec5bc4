"""Entry of the lists in repairs.py and policies.py."""

from collections.abc import Callable
from typing import NamedTuple


class Patch(NamedTuple):
    """Patch of upstream code.

    Attributes:
        apply (Callable): Function that applies the patch. The first line of its docstring describes fault and fix.
        upstream (str): Patched code as ``file:line function``, with line numbers of mmaction2 1.2.0, mmengine 0.10.7,
            mmcv 2.1.0 and torch 2.13.0.
        fixed_in (str): First release that makes the patch obsolete. Empty if there is none.
        in_loop (bool): Whether a policy still has an effect after the runner is built. If so,
            :class:`.ResumableTrainLoop` enables it.
    """

    apply: Callable[[], None]
    upstream: str
    fixed_in: str = ''
    in_loop: bool = False

    @property
    def summary(self) -> str:
        """Fault and fix in one line."""
        return (self.apply.__doc__ or '').partition('\n')[0]
