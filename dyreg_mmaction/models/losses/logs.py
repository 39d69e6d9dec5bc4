"""What region losses log."""

from mmengine.logging import MessageHub
from torch import Tensor


def log(losses: dict[str, Tensor], name: str, measures: dict[str, Tensor]) -> None:
    """Scalars to the losses, whose names the runner logs, vectors to the message hub."""
    for key, value in measures.items():
        if value.ndim:
            MessageHub.get_current_instance().update_info(f'{name}/{key}', value, resumed=False)
        else:
            losses[f'{name}/{key}'] = value


def forget(name: str) -> None:
    """Take a loss that has ended out of the runner's log, which would go on to show the last it has heard of it."""
    logged = MessageHub.get_current_instance().log_scalars
    for key in [key for key in logged if key == f'train/loss_{name}' or key.startswith(f'train/{name}/')]:
        del logged[key]
