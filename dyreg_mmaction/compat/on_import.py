"""Remedies for a module that wait until somebody imports it, so that nothing is imported for their sake."""

import functools
import sys
from collections import defaultdict
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from types import ModuleType


class _Mender(MetaPathFinder):
    """Hands a module to its remedies as soon as it has been imported."""

    def __init__(self) -> None:
        self.remedies: dict[str, list[Callable[[ModuleType], None]]] = defaultdict(list)

    def find_spec(self, name, path=None, target=None):
        if name not in self.remedies:
            return None
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in later)), None)
        if spec is None or spec.loader is None:
            return None
        stock = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            stock(module)
            for remedy in self.remedies[name]:
                remedy(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_mender = _Mender()


def mends(*names: str) -> Callable[[Callable[[ModuleType], None]], Callable[[], None]]:
    """Makes a function of the modules ``names`` a remedy that waits for the import of each."""

    def decorate(mend: Callable[[ModuleType], None]) -> Callable[[], None]:
        @functools.wraps(mend)
        def remedy() -> None:
            for name in names:
                if name in sys.modules:
                    mend(sys.modules[name])
                else:
                    _mender.remedies[name].append(mend)
            if _mender not in sys.meta_path:
                sys.meta_path.insert(0, _mender)

        return remedy

    return decorate
