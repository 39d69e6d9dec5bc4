"""State of a backbone's running forward, per thread, as several threads may run one model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import nn

from dyreg_mmaction.compat.activation_checkpointing import thread


class Forward:
    """A running forward of a backbone.

    Args:
        num_clips (int): Number of clips in the batch.
        size (tuple[int, int, int]): (T, H, W) of a clip.
        backbone (nn.Module, optional): The backbone.
    """

    def __init__(self, num_clips: int, size: tuple[int, int, int], backbone: nn.Module | None = None) -> None:
        self.num_clips = num_clips
        self.size = size
        self.backbone = backbone
        self.num_runs: dict[str, int] = {}  # by name of the hook


class Batch(NamedTuple):
    """Clip length of the batch that a recognizer passes to its backbone."""

    backbone: nn.Module
    num_frames: int


@contextmanager
def running(state: Forward | Batch) -> Iterator[None]:
    """Set ``state`` as the state of this thread inside the context."""
    thread.running.append(state)
    try:
        yield
    finally:
        thread.running.pop()


def current_forward() -> Forward | None:
    """Return the backbone's forward that this thread runs, or None."""
    return next((state for state in reversed(thread.running) if isinstance(state, Forward)), None)


def runs(backbone: nn.Module) -> bool:
    """Return whether this thread runs a forward of ``backbone``."""
    forward = current_forward()
    return forward is not None and forward.backbone is backbone


def frames_of_batch(backbone: nn.Module) -> int | None:
    """Return the clip length that a recognizer has set for ``backbone``, or None."""
    batches = (state for state in reversed(thread.running) if isinstance(state, Batch))
    return next((batch.num_frames for batch in batches if batch.backbone is backbone), None)
