"""Logging of region losses."""

from mmengine.logging import MessageHub
from torch import Tensor


def log(losses: dict[str, Tensor], name: str, measures: dict[str, Tensor]) -> None:
    """Add scalars to the losses, which the runner logs, and vectors to the message hub."""
    for key, value in measures.items():
        if value.ndim:
            MessageHub.get_current_instance().update_info(f'{name}/{key}', value, resumed=False)
        else:
            losses[f'{name}/{key}'] = value


def end_log(name: str) -> None:
    """Remove a loss whose phase has ended from the runner's log, which would repeat its last value."""
    logged = MessageHub.get_current_instance().log_scalars
    for key in [key for key in logged if key == f'train/loss_{name}' or key.startswith(f'train/{name}/')]:
        del logged[key]
