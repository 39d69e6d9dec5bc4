"""A process that torchrun has restarted resumes from what its own run has saved."""

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import Runner

from dyreg_mmaction.compat.resuming import find_checkpoint_since

from .processes import is_restarted


def resume_after_restart(runner: Runner, since: float | None) -> None:
    """Resume a restarted process from the newest checkpoint of its run; without one, start as at the first time.

    Args:
        runner (Runner): The runner, before it has loaded anything.
        since (float, optional): When the run began, see :func:`.hold_work_dir`. Only the first process needs it; its
            choice is that of all.
    """
    if not is_restarted():
        return
    found: list[str | None] = [None]
    if is_main_process() and since is not None:
        found[0] = find_checkpoint_since(runner.work_dir, since)
    broadcast_object_list(found)
    if found[0] is None:
        runner.logger.info('Restarted, and this run has saved no checkpoint yet; starting again as at first.')
    else:
        runner._resume, runner._load_from = True, found[0]
        runner.logger.info(f'Restarted. Resuming from {found[0]}.')
