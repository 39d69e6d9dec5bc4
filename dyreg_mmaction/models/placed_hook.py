"""A forward hook that stays in its place in a model when the module there is replaced."""

import threading
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dyreg_mmaction.ops.tracing import is_traced

_moving = threading.Lock()


class PlacedHook:
    """Forward hook of the sub-module that is at a path now, as conversions put others in its place.

    An object and not a closure: deepcopy and pickle follow its attributes, so that the copy of a model calls copies of
    the modules that the hook uses.

    Args:
        path (str): Dotted path of the sub-module; '' for the model itself.
    """

    module: nn.Module | None = None
    handle: RemovableHandle | None = None

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """The output to put in place of the sub-module's."""
        raise NotImplementedError

    def attach(self, model: nn.Module) -> None:
        """Hook the sub-module of ``model`` that is in the place now."""
        module = model.get_submodule(self.path)
        if module is self.module:
            return
        with nullcontext() if torch.compiler.is_compiling() else _moving:  # compilers trace in one thread
            if module is self.module:
                return
            if self.handle is not None:
                self.handle.remove()
            self.handle = module.register_forward_hook(self)
            self.module = module  # last, as other threads look at it


def laid_out_like(x: Tensor, y: Tensor) -> Tensor:
    """y in the memory format of x, contiguous or channels last.

    The next convolution reads the format from the strides, also from those of axes of one element, and so do the
    gradients of its weights, which DistributedDataParallel copies where their strides are not the weights'.
    """
    if is_traced() or y.shape != x.shape or y.stride() == x.stride():  # compilers choose formats themselves
        return y
    return torch.empty_like(x, dtype=y.dtype).copy_(y)
