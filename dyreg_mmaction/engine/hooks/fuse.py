"""Testing a network that has been made faster."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.inference.fusion import fuse_for_inference
from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class FuseHook(Hook):
    """Tests a copy of the model made faster by :func:`.fuse_for_inference`, and puts the model back.

    Args:
        dtype (str): 'float32', 'bfloat16' or 'float16'.
    """

    priority = 'VERY_LOW'  # after the weights of EMAHook are in the model

    def __init__(self, dtype: str = 'float32') -> None:
        self.dtype = getattr(torch, dtype)

    def before_test_epoch(self, runner: Runner) -> None:
        """Put the copy in the model's place."""
        self.model = runner.model
        runner.model = fuse_for_inference(unwrap(runner.model), self.dtype)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Put the model back."""
        runner.model = self.model
        del self.model
