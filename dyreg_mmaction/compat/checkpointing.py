"""Activation checkpointing runs a block again in backward: with what its thread knew in the forward.

PyTorch's keeps random numbers and autocast for the second run. What else a forward keeps outside of tensors, like the
number of clips in a batch, may by then be that of another batch, and on GPUs backward has threads of its own.
"""

import functools
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from .on_import import mends


class _Thread(threading.local):
    """What a thread runs at the moment, the innermost last.

    Not ContextVars, which torch.compile cannot trace; lists, as it forgets other attributes at graph breaks.
    """

    def __init__(self) -> None:
        self.running: list[Any] = []


thread = _Thread()


@functools.wraps(checkpoint)
def checkpoint_in_forward(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """``torch.utils.checkpoint.checkpoint``, whose second run has the :data:`thread`'s state of the first."""
    if torch.compiler.is_compiling():  # which runs nothing again but operations
        return checkpoint(function, *args, **kwargs)
    forward = [*thread.running]

    def run(*inputs: Any, **options: Any) -> Any:
        backward, thread.running = thread.running, [*forward]
        try:
            return function(*inputs, **options)
        finally:
            thread.running = backward

    return checkpoint(run, *args, **kwargs)


_BACKBONES = ('mobilenet_v2', 'resnet', 'resnet3d', 'tanet', 'x3d')


@mends(*(f'mmaction.models.backbones.{name}' for name in _BACKBONES))
def checkpoint_blocks_of_backbones(backbone: ModuleType) -> None:
    """``with_cp=True`` of MMAction2's backbones."""
    backbone.cp = SimpleNamespace(checkpoint=checkpoint_in_forward)  # type: ignore[attr-defined]


@mends('mmengine.runner.activation_checkpointing')
def checkpoint_chosen_modules(module: ModuleType) -> None:
    """``activation_checkpointing`` of a runner's config."""
    module.checkpoint = checkpoint_in_forward  # type: ignore[attr-defined]
