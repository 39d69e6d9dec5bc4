"""Numbers that are not finite never reach the weights."""

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
    """Stops a training, or skips an iteration, whose loss or gradient is not finite, before the optimiser steps.

    A second pass over the batch then finds the module that made the first such number. Where an iteration is skipped,
    parameters, what the optimiser keeps and running statistics of norms stay as they were. Gradients that overflow
    under a scaled loss are the scaler's to skip, and no fault.

    Args:
        skips (int): How many iterations in a row may be skipped, each with a warning; 0: the first one stops.

    Raises:
        FloatingPointError: If there is one more.
        ValueError: If ``skips`` is negative.
    """

    priority = 'VERY_HIGH'  # before others log, or save, what came of it

    def __init__(self, skips: int = 0) -> None:
        if not isinstance(skips, int) or skips < 0:
            raise ValueError(f'skips={skips!r} must be a whole number of iterations, 0 or more')
        self.skips, self.skipped = skips, 0

    def before_train(self, runner: Runner) -> None:
        """Watch the losses of the model and the steps of the optimisers."""
        self.runner = runner
        self.model = unwrap(runner.model)
        wrappers = runner.optim_wrapper
        self.wrappers = list(wrappers.values()) if hasattr(wrappers, 'values') else [wrappers]
        self.handles = [wrapper.optimizer.register_step_pre_hook(self._before_step) for wrapper in self.wrappers]
        self.handles.append(self.model.register_forward_hook(self._after_forward))

    def after_train(self, runner: Runner) -> None:
        """Watch no more."""
        for handle in self.handles:
            handle.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep what a second pass needs, and what a skipped iteration must not have changed."""
        self.batch, self.fault = data_batch, ''
        self.losses: dict[str, Tensor] = {}
        self.buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()] if self.skips else []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Look at losses after which no optimiser has stepped."""
        self._look({})
        if not self.fault:
            self.skipped = 0
        self.batch = None

    def _after_forward(self, module: nn.Module, args: tuple, losses: Any) -> None:
        if torch.is_grad_enabled() and isinstance(losses, dict):
            self.losses = _losses(losses)

    def _before_step(self, optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        parameters = {parameter for group in optimizer.param_groups for parameter in group['params']}
        # from the last to the first, as they are made
        self._look({names[p]: p.grad for p in reversed(names) if p in parameters and p.grad is not None})

    def _look(self, gradients: dict[str, Tensor]) -> None:
        """Judge these gradients, and the losses where that is not done."""
        values = {f'the loss {name!r}': value for name, value in self.losses.items()}
        values.update({f'the gradient of {name}': value for name, value in gradients.items()})
        self.losses = {}
        if not self.fault:
            largest = get_total_norm([value.detach() for value in values.values() if value.numel()], math.inf)
            bad = (~largest.isfinite()).int()
            all_reduce(bad, 'max')  # all processes do the same
            if not bad:
                return
            first = next((name for name, value in values.items() if not value.isfinite().all()), 'another process')
            self.fault = f'{first} is not finite in iteration {self.runner.iter + 1}: {self._origin()}'
            self._judge()
        for parameter in self.model.parameters():
            parameter.grad = None  # optimisers leave such parameters, and what they keep for them, alone

    def _judge(self) -> None:
        with torch.no_grad():
            for buffer, before in self.buffers:
                buffer.copy_(before)
        self.skipped += 1
        if self.skipped > self.skips:
            rest = f', {self.skipped} in a row' if self.skips else ''
            raise FloatingPointError(
                f'{self.fault}{rest}; no weight has changed: look at that module, lower the learning rate, or let '
                f'iterations be skipped with custom_hooks=[dict(type="FiniteHook", skips=10)]'
            )
        self.runner.logger.warning(f'{self.fault}; skipped')

    def _origin(self) -> str:
        """What made the first number that is not finite, in a second pass forward and back."""
        found: list[str] = []

        def watch(name: str) -> Any:
            def after(module: nn.Module, args: tuple, output: Any) -> None:
                if found:
                    return
                output = _losses(output) if module is self.model else output
                if bad(args):
                    found.append(f'what goes into {name} is the first such value')
                elif bad(output):
                    found.append(f'{name} makes the first such value')
                for part in dict(_tensors(args)).values():
                    if part.requires_grad:
                        part.register_hook(functools.partial(back, name))

            return after

        def back(name: str, gradient: Tensor) -> None:
            if not found and bad(gradient):
                found.append(f'{name} makes the first such gradient')

        def bad(value: Any) -> bool:
            return not all(part.isfinite().all() for part in dict(_tensors(value)).values())

        # a container is left after what is in it, so the first is the innermost
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
        return found[0] if found else 'what modules give and pass back is finite'


def _losses(outputs: dict) -> dict[str, Tensor]:
    """What of a model's outputs is trained on, as MMEngine tells it."""
    return {name: value for name, value in _tensors(outputs) if 'loss' in name}


def _tensors(value: Any, name: str = '') -> Iterator[tuple[str, Tensor]]:
    """Floating-point tensors in nested containers, by their place."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _tensors(part, f'{name}.{key}' if name else str(key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _tensors(part, f'{name}.{index}')
