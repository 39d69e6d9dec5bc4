"""Attach regions to predictions in validation and test."""

from contextlib import ExitStack

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class AttachRegionsHook(Hook):
    """Attach regions to the data samples of validation and test, see :func:`.attach_regions`.

    :class:`.ObjectDistance` and visualizers need them. Training is not affected.
    """

    def __init__(self) -> None:
        self.stack = ExitStack()

    def before_val(self, runner: Runner) -> None:
        """Start to attach regions."""
        self.stack.enter_context(attach_regions(runner.model))

    def after_val(self, runner: Runner) -> None:
        """Stop to attach regions."""
        self.stack.close()

    before_test = before_val
    after_test = after_val
