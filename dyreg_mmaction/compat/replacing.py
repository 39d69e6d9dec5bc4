"""Replacing functions that other modules have imported by name."""

import sys
from collections.abc import Callable


def replace_in_mmengine(stock: Callable, ours: Callable) -> None:
    """Puts ``ours`` wherever a module of mmengine has imported ``stock``."""
    for name, module in list(sys.modules.items()):
        if name.startswith('mmengine') and vars(module).get(stock.__name__) is stock:
            setattr(module, stock.__name__, ours)
