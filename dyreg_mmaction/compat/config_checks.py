"""Check the config of every runner."""

import functools
from types import ModuleType
from typing import Any

from .on_import import on_import


@on_import('mmengine.runner.runner')
def check_configs(module: ModuleType) -> None:
    """Inconsistent clip lengths fail late or give wrong scores. Every runner now has a CheckConfigHook."""
    runner: Any = module.Runner  # type: ignore[attr-defined]
    stock = runner.register_default_hooks

    @functools.wraps(stock)
    def register_default_hooks(self: Any, hooks: dict | None = None) -> None:
        from dyreg_mmaction.engine import CheckConfigHook

        stock(self, hooks)
        self.register_hook(CheckConfigHook())

    runner.register_default_hooks = register_default_hooks
