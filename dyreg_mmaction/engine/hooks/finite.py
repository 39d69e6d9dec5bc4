"""Keep non-finite losses and gradients from reaching the weights."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class FiniteHook(Hook):
    """Stop training, or skip the iteration, if a loss or gradient is not finite.

    The check runs before the optimizer step. A second pass over the batch then finds the module that produced the first
    non-finite value. A skipped iteration changes neither parameters nor optimizer state nor running statistics.
    Gradients that overflow because of loss scaling are handled by the gradient scaler and not reported.

    Args:
        skips (int): Number of consecutive iterations that may be skipped, each with a warning. 0: stop at the first.

    Raises:
        FloatingPointError: If more consecutive iterations are not finite.
        ValueError: If ``skips`` is negative.
    """

    priority = 'VERY_HIGH'  # before other hooks log or save the result

    def __init__(self, skips: int = 0) -> None:
        if not isinstance(skips, int) or skips < 0:
            raise ValueError(f'skips={skips!r} must be an integer, 0 or more')
        self.skips, self.skipped = skips, 0

    def before_train(self, runner: Runner) -> None:
        """Register hooks on the model and the optimizers."""
        self.runner = runner
        self.model = unwrap(runner.model)
        wrappers = runner.optim_wrapper
        self.wrappers = list(wrappers.values()) if hasattr(wrappers, 'values') else [wrappers]
        self.handles = [wrapper.optimizer.register_step_pre_hook(self._before_step) for wrapper in self.wrappers]
        self.handles.append(self.model.register_forward_hook(self._after_forward))

    def after_train(self, runner: Runner) -> None:
        """Remove these hooks."""
        for handle in self.handles:
            handle.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the batch for a second pass, and the buffers to restore if the iteration is skipped."""
        self.batch, self.fault = data_batch, ''
        self.losses: dict[str, Tensor] = {}
        self.buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()] if self.skips else []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Check losses of iterations without an optimizer step."""
        self._check({})
        if not self.fault:
            self.skipped = 0
        self.batch = None

    def _after_forward(self, module: nn.Module, args: tuple, losses: Any) -> None:
        if torch.is_grad_enabled() and isinstance(losses, dict):
            self.losses = _losses(losses)

    def _before_step(self, optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        parameters = {parameter for group in optimizer.param_groups for parameter in group['params']}
        # in the order of the backward pass
        self._check({names[p]: p.grad for p in reversed(names) if p in parameters and p.grad is not None})

    def _check(self, gradients: dict[str, Tensor]) -> None:
        """Check gradients, and the losses unless they were checked before."""
        values = {f'the loss {name!r}': value for name, value in self.losses.items()}
        values.update({f'the gradient of {name}': value for name, value in gradients.items()})
        self.losses = {}
        if not self.fault:
            largest = get_total_norm([value.detach() for value in values.values() if value.numel()], math.inf)
            bad = (~largest.isfinite()).int()
            all_reduce(bad, 'max')  # all processes stop or skip together
            if not bad:
                return
            first = next((name for name, value in values.items() if not value.isfinite().all()), 'another process')
            self.fault = f'{first} is not finite in iteration {self.runner.iter + 1}: {self._origin()}'
            self._stop_or_skip()
        for parameter in self.model.parameters():
            parameter.grad = None  # optimizers skip parameters without gradient

    def _stop_or_skip(self) -> None:
        with torch.no_grad():
            for buffer, before in self.buffers:
                buffer.copy_(before)
        self.skipped += 1
        if self.skipped > self.skips:
            rest = f', in {self.skipped} consecutive iterations' if self.skips else ''
            raise FloatingPointError(
                f'{self.fault}{rest}; the weights are unchanged: check that module, lower the learning rate, or skip '
                f'iterations with custom_hooks=[dict(type="FiniteHook", skips=10)]'
            )
        self.runner.logger.warning(f'{self.fault}; skipped')

    def _origin(self) -> str:
        """Find the first non-finite value in a second forward and backward pass."""
        found: list[str] = []

        def watch(name: str) -> Any:
            def after(module: nn.Module, args: tuple, output: Any) -> None:
                if found:
                    return
                output = _losses(output) if module is self.model else output
                if bad(args):
                    found.append(f'the first such value is in the input of {name}')
                elif bad(output):
                    found.append(f'the first such value is in the output of {name}')
                for tensor in dict(_tensors(args)).values():
                    if tensor.requires_grad:
                        tensor.register_hook(functools.partial(back, name))

            return after

        def back(name: str, gradient: Tensor) -> None:
            if not found and bad(gradient):
                found.append(f'the first such gradient is in the backward pass of {name}')

        def bad(value: Any) -> bool:
            return not all(tensor.isfinite().all() for tensor in dict(_tensors(value)).values())

        # hooks of children run before those of their parents, so the first is the innermost
        handles = [
            module.register_forward_hook(watch(f'{name or "the model"} ({type(module).__name__})'))
            for name, module in self.model.named_modules()
        ]
        try:
            with self.wrappers[0].optim_context(self.model):
                data = self.model.data_preprocessor(self.batch, True)
                losses = self.model._run_forward(data, mode='loss')
            if not found:
                self.model.parse_losses(losses)[0].backward()
        finally:
            for handle in handles:
                handle.remove()
        return found[0] if found else 'outputs and gradients of all modules are finite'


def _losses(outputs: dict) -> dict[str, Tensor]:
    """Return the outputs that MMEngine treats as losses."""
    return {name: value for name, value in _tensors(outputs) if 'loss' in name}


def _tensors(value: Any, name: str = '') -> Iterator[tuple[str, Tensor]]:
    """Yield the floating-point tensors in nested containers with their paths."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, f'{name}.{key}' if name else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _tensors(item, f'{name}.{index}')
