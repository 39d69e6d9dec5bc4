"""Activation checkpointing that restores the state of the forward pass when it recomputes a block in backward.

PyTorch restores the random state and autocast. It does not restore other state of the forward pass, such as the number
of clips in a batch: by then another batch may have replaced it, and on GPUs backward runs in other threads.
"""

import functools
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.utils.checkpoint

from .on_import import on_import


class _Thread(threading.local):
    """Stack of the forward passes that run in a thread, innermost last.

    It is a list because torch.compile cannot trace ContextVars, nor other attributes across graph breaks.
    """

    def __init__(self) -> None:
        self.running: list[Any] = []


thread = _Thread()


def keep_state(owner: Any) -> Callable:
    """Wrap ``owner.checkpoint`` so that the recomputation sees the same :data:`thread` state as the forward pass."""

    @functools.wraps(owner.checkpoint)
    def checkpoint_in_forward(function: Callable, *args: Any, **kwargs: Any) -> Any:
        checkpoint = owner.checkpoint
        if torch.compiler.is_compiling():  # recomputes traced operations only
            return checkpoint(function, *args, **kwargs)
        forward = [*thread.running]

        def run(*inputs: Any, **options: Any) -> Any:
            backward, thread.running = thread.running, [*forward]
            try:
                return function(*inputs, **options)
            finally:
                thread.running = backward

        return checkpoint(run, *args, **kwargs)

    return checkpoint_in_forward


checkpoint_in_forward = keep_state(SimpleNamespace(checkpoint=torch.utils.checkpoint.checkpoint))


_BACKBONES = ('mobilenet_v2', 'resnet', 'resnet3d', 'swin', 'tanet', 'x3d')


@on_import(*(f'mmaction.models.backbones.{name}' for name in _BACKBONES))
def checkpoint_blocks_of_backbones(backbone: ModuleType) -> None:
    """``with_cp=True`` of six backbones recomputes blocks without the state that plugins need. It is restored."""
    name = 'checkpoint' if hasattr(backbone, 'checkpoint') else 'cp'  # their names for torch.utils.checkpoint
    setattr(backbone, name, SimpleNamespace(checkpoint=keep_state(getattr(backbone, name))))


@on_import('mmengine.runner.activation_checkpointing')
def checkpoint_chosen_modules(module: ModuleType) -> None:
    """``activation_checkpointing`` of a config recomputes modules without the state of the forward. It is restored."""
    module.checkpoint = keep_state(SimpleNamespace(checkpoint=module.checkpoint))  # type: ignore[attr-defined]
