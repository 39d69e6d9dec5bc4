"""Validate before training."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class ValidateAtStartHook(Hook):
    """Validate once before the first iteration, but not on resuming."""

    priority = 'LOWEST'  # after all other hooks are initialized

    def before_train(self, runner: Runner) -> None:
        """Run the validation loop, if there is one."""
        if runner.iter == 0 and runner.val_loop is not None:
            runner.val_loop.run()
