"""Recognizers that add region losses to the losses of the head."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from dyreg_mmaction.ops import Regions

from .finding import region_sources
from .losses import PhasedLoss, clip_frames
from .losses.logs import end_log, log
from .recording import record_regions


class WithRegionLosses:
    """Mixin before a recognizer with plugins that have regions. It adds ``region_losses`` in training.

    Weights and checkpoints are those of the plain recognizer. Losses cost nothing after their phase and in testing.

    Args:
        *args: Arguments of the recognizer.
        region_losses (Sequence[dict]): Configs of a :class:`RegionLoss` and its phase, see :class:`PhasedLoss`, like
            ``dict(type='MotionLikelihood', weight=0.3, until=0.4)``.
        **kwargs: Arguments of the recognizer.

    Raises:
        ValueError: If a loss cannot be applied to the plugins.
    """

    def __init__(self, *args, region_losses: Sequence[dict] = (), **kwargs) -> None:
        super().__init__(*args, **kwargs)
        sources = region_sources(self) if region_losses else {}  # type: ignore[arg-type]
        losses = [PhasedLoss(cfg, sources, self.data_preprocessor) for cfg in region_losses]  # type: ignore[attr-defined]
        self.region_losses = dict(zip(_names(region_losses), losses, strict=True))
        self._ended: set[str] = set()

    def init_weights(self) -> None:
        """Initialize the recognizer and prepare the region losses."""
        super().init_weights()  # type: ignore[misc]
        for loss in self.region_losses.values():
            loss.loss.prepare(self)  # type: ignore[arg-type]

    def loss(self, inputs: Tensor, data_samples: list, **kwargs) -> dict[str, Tensor]:
        """Return the losses of the head, the active region losses, and the values that these log."""
        active = {name: loss for name, loss in self.region_losses.items() if loss.weight}
        for name in self.region_losses.keys() - active.keys() - self._ended:
            end_log(name)
            self._ended.add(name)
        if not active:
            return super().loss(inputs, data_samples, **kwargs)  # type: ignore[misc]
        with record_regions(self) as record:  # type: ignore[arg-type]
            losses = super().loss(inputs, data_samples, **kwargs)  # type: ignore[misc]
        for name, loss in active.items():
            regions = {path: _learning(path, record[path][-1]) for path in loss.plugins}
            frames = clip_frames(inputs, len(next(iter(regions.values())).center))
            losses[f'loss_{name}'], measures = loss(regions, frames, data_samples)
            log(losses, name, measures)
        return losses


def _learning(path: str, regions: Regions) -> Regions:
    if torch.is_grad_enabled() and not regions.center.requires_grad:
        raise ValueError(
            f'the regions of plugin {path!r} have no gradient, which region losses require; unfreeze the plugin, and '
            'with activation checkpointing (with_cp=True) put it after a whole block'
        )
    return regions


def _names(region_losses: Sequence[dict]) -> list[str]:
    """Return a name for each loss: its type in snake case, numbered from the second of a type on."""
    names: list[str] = []
    for cfg in region_losses:
        kind = cfg['type'] if isinstance(cfg['type'], str) else cfg['type'].__name__
        name = re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', kind.rpartition('.')[-1]).lower().removesuffix('_loss')
        names.append(name if name not in names else f'{name}_{sum(other.startswith(name) for other in names) + 1}')
    return names
