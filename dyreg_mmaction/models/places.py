"""Checks of the sub-modules that plugins are inserted after."""

import difflib

from torch import nn


def check_place(model: nn.Module, path: str, paths: list[str]) -> None:
    """Check that a plugin can be inserted after the sub-module ``path`` of a model.

    Raises:
        ValueError: If it does not exist, is in ``paths`` more than once, is skipped for some clips in training, or its
            tokens are not in the order of rows and columns.
    """
    if paths.count(path) > 1:
        raise ValueError(f'after={path!r} is used by {paths.count(path)} plugins; use a different path for each')
    valid = [known for known, _ in model.named_modules() if known]
    if path not in valid:
        raise ValueError(_absence(model, path, valid))
    for ancestor, module in _ancestors(model, path):
        if any(type(child).__name__ == 'Unroll' for child in module.children()):
            raise ValueError(
                f'after={path!r} is inside a {type(module).__name__}, whose tokens are in the order of mask units, not '
                'of rows and columns; choose another backbone'
            )
        rate = max((_drop_rate(child) for child in module.children()), default=0)
        if rate:
            block = f'after={ancestor!r}' if ancestor else 'outside of it'
            raise ValueError(
                f'after={path!r} is inside {ancestor or "a block"}, whose stochastic depth skips its branches for '
                f'{rate:.0%} of the clips in training; put the plugin {block}, or set the rate of stochastic depth to 0'
            )


def attention_around(model: nn.Module, path: str) -> str | None:
    """Return the path of the attention that contains a sub-module, whose outputs may be split into heads."""
    for ancestor, module in _ancestors(model, path):
        name = type(module).__name__
        if 'Attention' in name and 'Block' not in name and 'Layer' not in name:
            return ancestor
    return None


def _ancestors(model: nn.Module, path: str) -> list[tuple[str, nn.Module]]:
    """Return the ancestors of a sub-module, innermost first."""
    names = path.split('.')
    paths = ['.'.join(names[:count]) for count in range(len(names) - 1, -1, -1)]
    return [(ancestor, model.get_submodule(ancestor)) for ancestor in paths]


def _drop_rate(module: nn.Module) -> float:
    """Return the rate of stochastic depth: mmcv's and timm's DropPath, torchvision's StochasticDepth."""
    if type(module).__name__ not in ('DropPath', 'StochasticDepth'):
        return 0
    return getattr(module, 'drop_prob', None) or getattr(module, 'p', None) or 0


def _absence(model: nn.Module, path: str, valid: list[str]) -> str:
    parent = path
    while parent and parent not in valid:
        parent = parent.rpartition('.')[0]
    children = [child for child, _ in model.get_submodule(parent).named_children()]
    close = difflib.get_close_matches(path, valid, n=4, cutoff=0.5)
    return f'after={path!r} is not a sub-module of {type(model).__name__}; {parent or "it"} has {children}' + (
        f'; similar paths: {close}' if close else ''
    )
