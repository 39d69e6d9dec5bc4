"""Replacement of regions: how much predictions depend on where the regions are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dyreg_mmaction.models.finding import region_sources
from dyreg_mmaction.models.listening import eagerly
from dyreg_mmaction.ops import Regions


@contextmanager
def regions_of_another_clip(model: nn.Module, num_clips: int) -> Iterator[None]:
    """Give each clip of a batch the regions of the clip before it, in every forward inside the context.

    Args:
        model (nn.Module): Recognizer with region sources.
        num_clips (int): Clips in the batch, at least 2. The views of a clip follow each other.

    Raises:
        ValueError: If the model has no region source, or ``num_clips`` is below 2.
    """
    if num_clips < 2:
        raise ValueError(f'num_clips is {num_clips}, but must be at least 2; use larger batches')

    def previous(source: nn.Module, inputs: tuple[Tensor], output: Regions | Tensor) -> Regions | Tensor:
        views = len(inputs[0]) // num_clips
        if isinstance(output, Tensor):
            return output.roll(views, 0)
        return output._replace(center=output.center.roll(views, 0), half_size=output.half_size.roll(views, 0))

    with _outputs_replaced(model, previous):
        yield


@contextmanager
def regions_of_whole_frame(model: nn.Module) -> Iterator[None]:
    r"""Give every node the average of the frame, :math:`K_i(p) = 1 / (H W)`, in every forward inside the context.

    All nodes of a frame are equal, so they only contain what the average of the map contains.

    Args:
        model (nn.Module): Recognizer with region sources.

    Raises:
        ValueError: If the model has no region source.
    """

    def uniform(source: nn.Module, inputs: tuple[Tensor], output: Regions | Tensor) -> Tensor:
        batch, num_frames, _, height, width = inputs[0].shape
        nodes = (output if isinstance(output, Tensor) else output.center).shape[2]
        value = 1 / (height * width)
        return torch.full((batch, num_frames, nodes, height, width), value, device=inputs[0].device)

    with _outputs_replaced(model, uniform):
        yield


@contextmanager
def _outputs_replaced(model: nn.Module, replace: Callable[..., Any]) -> Iterator[None]:
    sources = region_sources(model)
    if not sources:
        raise ValueError(f'{type(model).__name__} has no regions to replace; use a config with a region module')
    with ExitStack() as hooks, eagerly(model):
        for source in sources.values():
            hooks.callback(source.register_forward_hook(replace).remove)
        yield
