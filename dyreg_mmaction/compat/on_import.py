"""Patch a module when it is imported, so that ``import dyreg_mmaction`` does not have to import it."""

import functools
import sys
from collections import defaultdict
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from types import ModuleType


class _PatchingFinder(MetaPathFinder):
    """Finder that delegates to the other finders and patches modules after their import."""

    def __init__(self) -> None:
        self.patches: dict[str, list[Callable[[ModuleType], None]]] = defaultdict(list)

    def find_spec(self, name, path=None, target=None):
        if name not in self.patches:
            return None
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in later)), None)
        if spec is None or spec.loader is None:
            return None
        stock = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            stock(module)
            for patch in self.patches[name]:
                patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_finder = _PatchingFinder()


def on_import(*names: str) -> Callable[[Callable[[ModuleType], None]], Callable[[], None]]:
    """Decorate a function that patches a module: it is called with each module in ``names`` when that is imported."""

    def decorate(patch: Callable[[ModuleType], None]) -> Callable[[], None]:
        @functools.wraps(patch)
        def apply() -> None:
            for name in names:
                if name in sys.modules:
                    patch(sys.modules[name])
                else:
                    _finder.patches[name].append(patch)
            if _finder not in sys.meta_path:
                sys.meta_path.insert(0, _finder)

        return apply

    return decorate
