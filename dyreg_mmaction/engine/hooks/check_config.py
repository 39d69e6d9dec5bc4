"""The check of a config before its run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.registry import HOOKS

from ..checks import check_config


@HOOKS.register_module()
class CheckConfigHook(Hook):
    """Checks that backbone, head and pipelines agree; every runner has it, in MMAction2's own tools too."""

    def before_run(self, runner: Runner) -> None:
        """Check the runner's config.

        Raises:
            ValueError: If plugged backbone, head and pipelines do not agree.
        """
        check_config(runner.cfg)
