"""Predictions with regions in the loops of validation and test."""

from contextlib import ExitStack

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class AttachRegionsHook(Hook):
    """Data samples of validation and test carry their regions, see :func:`.attach_regions`.

    It is what :class:`.ObjectDistance` and whoever draws the predictions need; training is left alone.
    """

    def __init__(self) -> None:
        self.stack = ExitStack()

    def before_val(self, runner: Runner) -> None:
        """Begin to attach."""
        self.stack.enter_context(attach_regions(runner.model))

    def after_val(self, runner: Runner) -> None:
        """End it."""
        self.stack.close()

    before_test = before_val
    after_test = after_val
