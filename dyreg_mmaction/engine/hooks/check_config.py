"""Check the config before a run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.registry import HOOKS

from ..checks import check_config


@HOOKS.register_module()
class CheckConfigHook(Hook):
    """Check that backbone, head and pipelines are consistent.

    Every runner has this hook, also in MMAction2's own tools.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the runner's config.

        Raises:
            ValueError: If clip lengths or frame sizes differ.
        """
        check_config(runner.cfg)
