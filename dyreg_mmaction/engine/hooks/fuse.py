"""Test with a faster copy of the model."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.inference.fusion import fuse_for_inference
from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class FuseHook(Hook):
    """Run tests with the faster copy of the model that :func:`.fuse_for_inference` returns.

    Args:
        dtype (str): 'float32', 'bfloat16' or 'float16'.
    """

    priority = 'VERY_LOW'  # after EMAHook has swapped in its weights

    def __init__(self, dtype: str = 'float32') -> None:
        self.dtype = getattr(torch, dtype)

    def before_test_epoch(self, runner: Runner) -> None:
        """Replace the model by its copy."""
        self.model = runner.model
        runner.model = fuse_for_inference(unwrap(runner.model), self.dtype)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Restore the model."""
        runner.model = self.model
        del self.model
