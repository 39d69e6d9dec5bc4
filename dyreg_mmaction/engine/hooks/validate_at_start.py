"""What a training starts from, in numbers."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.registry import HOOKS


@HOOKS.register_module()
class ValidateAtStartHook(Hook):
    """Validates once before the first iteration, so that what training changes can be seen; not where one resumes."""

    priority = 'LOWEST'  # once the others are ready for a validation

    def before_train(self, runner: Runner) -> None:
        """Run the validation loop, if there is one."""
        if runner.iter == 0 and runner.val_loop is not None:
            runner.val_loop.run()
