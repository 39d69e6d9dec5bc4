"""What is known while a backbone's forward runs, by thread: several threads may run one model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import nn

from dyreg_mmaction.compat.activation_checkpointing import thread


class Forward:
    """A forward of a backbone.

    Args:
        num_clips (int): Clips of the batch.
        size (tuple[int, int, int]): T, H, W of a clip.
    """

    def __init__(self, num_clips: int, size: tuple[int, int, int]) -> None:
        self.num_clips = num_clips
        self.size = size
        self.num_runs: dict[str, int] = {}  # of each plugin, by its path


class Batch(NamedTuple):
    """Frames of each clip in the batch that a recogniser gives its backbone."""

    backbone: nn.Module
    num_frames: int


@contextmanager
def running(state: Forward | Batch) -> Iterator[None]:
    """Runs the context as ``state`` says."""
    thread.running.append(state)
    try:
        yield
    finally:
        thread.running.pop()


def current_forward() -> Forward | None:
    """The backbone's forward that this thread runs."""
    return next((state for state in reversed(thread.running) if isinstance(state, Forward)), None)


def frames_of_batch(backbone: nn.Module) -> int | None:
    """Frames of a clip that a recogniser has named for ``backbone``."""
    batches = (state for state in reversed(thread.running) if isinstance(state, Batch))
    return next((batch.num_frames for batch in batches if batch.backbone is backbone), None)
