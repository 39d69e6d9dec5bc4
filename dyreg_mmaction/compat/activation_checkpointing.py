"""Activation checkpointing, which runs a block again in backward, with the state of its thread in the forward.

PyTorch keeps random numbers and autocast for the second run. Other state of a forward, such as the number of clips in a
batch, may then be that of another batch, and on GPUs backward has its own threads.
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
    """Forwards that run in a thread, the innermost last.

    torch.compile can trace neither ContextVars nor, across graph breaks, attributes other than lists.
    """

    def __init__(self) -> None:
        self.running: list[Any] = []


thread = _Thread()


def keep_state(owner: Any) -> Callable:
    """``owner.checkpoint(function, *args)``, whose second run has the :data:`thread`'s state of the first."""

    @functools.wraps(owner.checkpoint)
    def checkpoint_in_forward(function: Callable, *args: Any, **kwargs: Any) -> Any:
        checkpoint = owner.checkpoint
        if torch.compiler.is_compiling():  # which only runs operations again
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
    """``with_cp=True`` of six backbones runs blocks again without the state of their forward, which plugins need."""
    name = 'checkpoint' if hasattr(backbone, 'checkpoint') else 'cp'  # what they import torch.utils.checkpoint as
    setattr(backbone, name, SimpleNamespace(checkpoint=keep_state(getattr(backbone, name))))


@on_import('mmengine.runner.activation_checkpointing')
def checkpoint_chosen_modules(module: ModuleType) -> None:
    """``activation_checkpointing`` of a runner's config runs modules again without that state, too."""
    module.checkpoint = keep_state(SimpleNamespace(checkpoint=module.checkpoint))  # type: ignore[attr-defined]
