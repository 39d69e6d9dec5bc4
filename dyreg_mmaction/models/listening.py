"""Hooks that hear what the thread that registers them runs, and contexts in which they are called."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle


def listen(module: nn.Module, hear: Callable[[nn.Module, tuple, Any], None]) -> RemovableHandle:
    """A forward hook of ``module``, called in this thread alone: others may run the same model."""
    owner = threading.get_ident()

    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        if torch.compiler.is_compiling() or threading.get_ident() == owner:
            hear(module, args, output)

    return module.register_forward_hook(hook)


def eagerly(*models: nn.Module) -> AbstractContextManager[None]:
    """Context in which nothing compiled runs, in no thread: compiled code does not call hooks that came later.

    Raises:
        ValueError: If one of the models is compiled by PyTorch before 2.6.
    """
    if torch.compiler.is_compiling() or 'torch._dynamo' not in sys.modules:
        return nullcontext()
    if hasattr(torch.compiler, 'set_stance'):
        return _stance.force_eager()
    for model in models:
        if any(_is_compiled(module) for module in model.modules()):
            raise ValueError(
                f'the nodes of a compiled {type(model).__name__} cannot be seen or closed with PyTorch '
                f'{torch.__version__}; use the model that was compiled, or PyTorch 2.6 or later'
            )
    return nullcontext()


class _Stance:
    """PyTorch's is one for the process: the first of contexts that overlap sets it, and the last sets it back."""

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
    forward = vars(module).get('forward')  # MMEngine compiles the method alone
    return (
        hasattr(module, '_orig_mod')
        or getattr(module, '_compiled_call_impl', None) is not None
        or hasattr(forward, '_torchdynamo_orig_callable')
    )
