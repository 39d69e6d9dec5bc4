"""Resume processes that torchrun has restarted."""

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import Runner

from dyreg_mmaction.compat.resuming import find_checkpoint_since

from .processes import is_restarted


def resume_after_restart(runner: Runner, since: float | None) -> None:
    """Resume a restarted process from the newest checkpoint of its run. Without one, start from the beginning.

    Args:
        runner (Runner): The runner, before it loads a checkpoint.
        since (float, optional): Start time of the run, see :func:`.hold_work_dir`. Only rank 0 needs it and
            broadcasts its choice.
    """
    if not is_restarted():
        return
    found: list[str | None] = [None]
    if is_main_process() and since is not None:
        found[0] = find_checkpoint_since(runner.work_dir, since)
    broadcast_object_list(found)
    if found[0] is None:
        runner.logger.info('Restarted before this run saved a checkpoint; starting from the beginning.')
    else:
        runner._resume, runner._load_from = True, found[0]
        runner.logger.info(f'Restarted. Resuming from {found[0]}.')
