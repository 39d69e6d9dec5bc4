"""Forward hooks that are limited to one thread, and contexts in which compiled models call them."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle


def listen(module: nn.Module, callback: Callable[[nn.Module, tuple, Any], None]) -> RemovableHandle:
    """Register a forward hook of ``module`` that is called only in this thread, as others may run the same model."""
    owner = threading.get_ident()

    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        if torch.compiler.is_compiling() or threading.get_ident() == owner:
            callback(module, args, output)

    return module.register_forward_hook(hook)


def eagerly(*models: nn.Module) -> AbstractContextManager[None]:
    """Disable compiled code in all threads inside the context, because it does not call hooks that were added later.

    Args:
        *models (nn.Module): The models that will run.

    Raises:
        ValueError: If one of the models was compiled by PyTorch before 2.6.
    """
    if torch.compiler.is_compiling() or 'torch._dynamo' not in sys.modules:
        return nullcontext()
    if hasattr(torch.compiler, 'set_stance'):
        return _stance.force_eager()
    for model in models:
        if any(_is_compiled(module) for module in model.modules()):
            raise ValueError(
                f'the nodes of a compiled {type(model).__name__} cannot be recorded or closed with PyTorch '
                f'{torch.__version__}; use the uncompiled model, or PyTorch 2.6 or later'
            )
    return nullcontext()


class _Stance:
    """PyTorch's stance of the process: the first of overlapping contexts sets it, and the last restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.num_open = 0
        self.stack = ExitStack()

    @contextmanager
    def force_eager(self) -> Iterator[None]:
        with self.lock:
            if not self.num_open:
                self.stack.enter_context(torch.compiler.set_stance('force_eager'))
            self.num_open += 1
        try:
            yield
        finally:
            with self.lock:
                self.num_open -= 1
                if not self.num_open:
                    self.stack.close()


_stance = _Stance()


def _is_compiled(module: nn.Module) -> bool:
    forward = vars(module).get('forward')  # MMEngine compiles only the method
    return (
        hasattr(module, '_orig_mod')
        or getattr(module, '_compiled_call_impl', None) is not None
        or hasattr(forward, '_torchdynamo_orig_callable')
    )
