"""Replacement of regions in a test: how much accuracy depends on where the regions are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dyreg_mmaction.models.finding import region_sources
from dyreg_mmaction.models.listening import eagerly
from dyreg_mmaction.ops import Regions

WIDE = 1e4  # half size, in sides of the map, of a tent that is flat within the map


class ReplacedRegions:
    r"""Tests of a model with its own regions, with those of another clip, and with the average of the frame.

    .. code:: python

        replaced = ReplacedRegions(model)
        with replaced.recording():
            own = runner.test()
        with replaced.by_another_clip(partners(labels)):
            another = runner.test()  # the same clips in the same order
        with replaced.by_whole_frame():
            whole = runner.test()

    Args:
        model (nn.Module): Recognizer with region sources.

    Raises:
        ValueError: If the model has no region source.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.sources = region_sources(model)
        if not self.sources:
            raise ValueError(
                f'{type(model).__name__} has no regions to replace; use the config of a model with a region module'
            )
        self.outputs: dict[nn.Module, list[Regions | Tensor]] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the regions of every clip that is tested inside the context."""
        self.outputs = {source: [] for source in self.sources.values()}

        def record(source: nn.Module, inputs: tuple[Tensor], output: Regions | Tensor) -> None:
            self.outputs[source].append(_map(lambda value: value.detach().cpu(), _of_every_frame(output, inputs[0])))

        with self._hooked(record):
            yield

    @contextmanager
    def by_another_clip(self, partner: Sequence[int] | np.ndarray) -> Iterator[None]:
        """Use the recorded regions of other clips for the clips that are tested inside the context.

        Args:
            partner (Sequence[int]): For each clip in the order of the test, the clip whose regions it gets. Views of a
                clip get those of the same view of the other.

        Raises:
            ValueError: If the clips have different numbers of frames, views or cells, or were not recorded.
        """
        if not self.outputs or not all(self.outputs.values()):
            raise ValueError('no regions are recorded; run the test inside recording() first')
        rows = {source: _join(outputs) for source, outputs in self.outputs.items()}
        chosen = {source: _rows_of(partner, len(_tensor(values))) for source, values in rows.items()}
        done = dict.fromkeys(rows, 0)

        def replay(source: nn.Module, inputs: tuple[Tensor], output: Regions | Tensor) -> Regions | Tensor:
            now = chosen[source][done[source] : done[source] + len(inputs[0])]
            done[source] += len(inputs[0])
            return _map(lambda value: value[now].to(_tensor(output)), rows[source])

        with self._hooked(replay):
            yield

    @contextmanager
    def by_whole_frame(self) -> Iterator[None]:
        r"""Give every node the average of the frame, :math:`K_i(p) = 1 / (H W)`, inside the context."""

        def widen(source: nn.Module, _: Any, output: Regions | Tensor) -> Regions | Tensor:
            if isinstance(output, Tensor):
                return torch.full_like(output, 1 / (output.shape[-2] * output.shape[-1]))
            size = output.center.new_tensor(output.map_size)
            center, half_size = ((size - 1) / 2).expand_as(output.center), (WIDE * size).expand_as(output.center)
            return output._replace(center=center, half_size=half_size)

        with self._hooked(widen):
            yield

    @contextmanager
    def _hooked(self, hook: Callable[..., Any]) -> Iterator[None]:
        with ExitStack() as hooks, eagerly(self.model):
            for source in self.sources.values():
                hooks.callback(source.register_forward_hook(hook).remove)
            yield


def partners(labels: Sequence[Any]) -> np.ndarray:
    """Choose another clip for each clip, of another label unless more than half of the clips have the same label.

    Args:
        labels (Sequence): Label of each clip.

    Returns:
        np.ndarray: ``(N,)`` indices, a permutation without fixed points; always the same for the same labels.

    Raises:
        ValueError: If there are fewer than 2 clips.
    """
    if len(labels) < 2:
        raise ValueError(
            f'there are {len(labels)} clips, but at least 2 are needed to exchange regions; use more clips'
        )
    _, label = np.unique(np.array([str(value) for value in labels]), return_inverse=True)
    order = np.random.default_rng(0).permutation(len(label))
    order = order[np.argsort(label[order], kind='stable')]
    shift = min(int(np.bincount(label).max()), len(label) // 2)
    partner = np.empty_like(order)
    partner[order] = np.roll(order, shift)
    return partner


def _of_every_frame(output: Regions | Tensor, z: Tensor) -> Regions | Tensor:
    return output if isinstance(output, Tensor) else output.expand(z.shape[0], z.shape[1])


def _tensor(output: Regions | Tensor) -> Tensor:
    return output if isinstance(output, Tensor) else output.center


def _map(change: Callable[[Tensor], Tensor], output: Regions | Tensor) -> Regions | Tensor:
    if isinstance(output, Tensor):
        return change(output)
    return output._replace(center=change(output.center), half_size=change(output.half_size))


def _join(outputs: list[Regions | Tensor]) -> Regions | Tensor:
    """Concatenate the outputs of several forwards."""
    shapes = {(*_tensor(output).shape[1:], *getattr(output, 'map_size', ())) for output in outputs}
    if len(shapes) > 1:
        raise ValueError(
            f'regions of the clips have shapes {sorted(shapes)}, but exchanging them requires one shape; '
            'use the same number of frames and the same crop for all clips'
        )
    first = outputs[0]
    if isinstance(first, Tensor):
        return torch.cat([_tensor(output) for output in outputs])
    center, half_size = (torch.cat([getattr(output, name) for output in outputs]) for name in ('center', 'half_size'))
    return first._replace(center=center, half_size=half_size)


def _rows_of(partner: Sequence[int] | np.ndarray, num_rows: int) -> Tensor:
    """Return the row of the partner's view for each row; rows are clips x views."""
    views, rest = divmod(num_rows, len(partner))
    if rest or not views:
        raise ValueError(
            f'{len(partner)} clips have {num_rows} views in all, but exchanging regions requires the same number of '
            'views of every clip'
        )
    return (torch.as_tensor(np.asarray(partner))[:, None] * views + torch.arange(views)).flatten()
