"""Forward hooks that keep their position in a model when the module there is replaced."""

import threading
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dyreg_mmaction.ops.tracing import is_traced

from .forwards import Forward, current_forward

_moving = threading.Lock()


class PlacedHook:
    """Forward hook of the sub-module that is currently at a path, because conversions replace modules.

    It is an object, not a closure, because deepcopy and pickle follow its attributes: the copy of a model calls copies
    of the modules that the hook uses.

    Args:
        path (str): Dotted path of the sub-module; '' for the model itself.
    """

    module: nn.Module | None = None
    handle: RemovableHandle | None = None

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """Return the output that replaces that of the sub-module."""
        raise NotImplementedError

    def register(self, module: nn.Module) -> RemovableHandle:
        """Register the hook at a module."""
        return module.register_forward_hook(self)

    def attach(self, model: nn.Module) -> None:
        """Register the hook at the sub-module of ``model`` that is currently at the path."""
        module = model.get_submodule(self.path)
        if module is self.module:
            return
        with nullcontext() if torch.compiler.is_compiling() else _moving:  # compilers trace in one thread
            if module is self.module:
                return
            if self.handle is not None:
                self.handle.remove()
            self.handle = self.register(module)
            self.module = module  # last, because other threads read it


class CountedHook(PlacedHook):
    """Hook that must run exactly once in each forward of the backbone.

    Args:
        path (str): Dotted path of the sub-module.
        name (str): What the hook applies, for example "the plugin after='layer3'".
    """

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self.name = name

    def count(self) -> Forward | None:
        """Count a run, and return the running forward, if any."""
        forward = current_forward()
        if forward is not None:
            forward.num_runs[self.name] = forward.num_runs.get(self.name, 0) + 1
        return forward

    def check(self, forward: Forward) -> None:
        """Check the number of runs in a finished forward.

        Raises:
            RuntimeError: If it is not 1.
        """
        num_runs = forward.num_runs.get(self.name, 0)
        if num_runs != 1:
            raise RuntimeError(
                f'{self.name} ran {num_runs} times in one forward, but must run once; undo the change that bypasses or '
                'repeats its sub-module, or choose another sub-module'
            )


def laid_out_like(x: Tensor, y: Tensor) -> Tensor:
    """Return y in the memory format of x, contiguous or channels last.

    The next convolution derives the format from the strides, including those of axes with one element. So do the
    gradients of its weights, which DistributedDataParallel copies if their strides differ from those of the weights.
    """
    if is_traced() or y.shape != x.shape or y.stride() == x.stride():  # compilers choose formats themselves
        return y
    return torch.empty_like(x, dtype=y.dtype).copy_(y)
