"""MMAction2's recognisers, with boxes for the nodes and losses that teach regions beside the class label."""

import re
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from mmaction.models.recognizers import Recognizer2D, Recognizer3D
from mmengine.logging import MessageHub
from torch import Tensor

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import MODELS

from .losses import PhasedLoss, clip_frames
from .num_segments import TakesFrames
from .recording import record_regions, region_sources
from .regions.boxes import BoxRegions, use_boxes


class WithRegions:
    """Mixin in front of a recogniser whose backbone has plugins with regions.

    Every :class:`BoxRegions` in it sees ``data_samples[i].boxes`` in its forward. In training ``region_losses`` are
    added to the losses of the head; weights and checkpoints are the recogniser's own, and a loss whose phase has ended
    costs nothing, as do all of them at test time.

    Args:
        region_losses (Sequence[dict]): Each the config of a :class:`RegionLoss` and of its phase, see
            :class:`PhasedLoss`, like ``dict(type='MotionLikelihood', weight=0.3, until=0.4)``.
        **kwargs: Of the recogniser.

    Raises:
        ValueError: If a loss does not fit the plugins; by the forward, if :class:`BoxRegions` get no boxes.
    """

    def __init__(self, *args, region_losses: Sequence[dict] = (), **kwargs) -> None:
        super().__init__(*args, **kwargs)
        sources = region_sources(self) if region_losses else {}  # type: ignore[arg-type]
        losses = [PhasedLoss(cfg, sources, self.data_preprocessor) for cfg in region_losses]  # type: ignore[attr-defined]
        self.region_losses = dict(zip(_names(region_losses), losses, strict=True))
        self.forgotten: set[str] = set()
        self.takes_boxes = any(isinstance(module, BoxRegions) for module in self.modules())  # type: ignore[attr-defined]

    def init_weights(self) -> None:
        """The recogniser's, and what the region losses need in a training."""
        super().init_weights()  # type: ignore[misc]
        for loss in self.region_losses.values():
            loss.loss.prepare(self)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """The recogniser's forward, see :class:`mmaction.models.BaseRecognizer`."""
        # without samples boxes may come from outside
        gives = self.takes_boxes and data_samples is not None
        with use_boxes(clip_boxes(inputs, data_samples or [])) if gives else nullcontext():
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]

    def loss(self, inputs: Tensor, data_samples: list, **kwargs) -> dict[str, Tensor]:
        """Losses of the head, and region losses whose phase has not ended, with what they want to be logged."""
        active = {name: loss for name, loss in self.region_losses.items() if loss.weight}
        for name in self.region_losses.keys() - active.keys() - self.forgotten:
            forget(name)
            self.forgotten.add(name)
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


def clip_boxes(inputs: Tensor, data_samples: list) -> Tensor:
    """Boxes of all clips of a batch: Tensor[B, T, N, 4], a video's crops and clips as clips of their own.

    Args:
        inputs (Tensor): One entry a video.
        data_samples (list[ActionDataSample]): One a video, each with ``boxes`` (crops * clips, T, N, 4).

    Raises:
        ValueError: If a data sample has no boxes.
    """
    if len(data_samples) != len(inputs) or any('boxes' not in sample for sample in data_samples):
        raise ValueError(
            f'{len(inputs)} videos came with the boxes of {sum("boxes" in sample for sample in data_samples)}; put '
            "LoadBoxes into the pipeline and algorithm_keys=('boxes',) into its PackActionInputs"
        )
    boxes = np.concatenate([np.asarray(sample.boxes, np.float32) for sample in data_samples])
    return torch.from_numpy(boxes).to(inputs.device, non_blocking=True)


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


def _learning(path: str, regions: Regions) -> Regions:
    if torch.is_grad_enabled() and not regions.center.requires_grad:
        raise ValueError(
            f'the regions of plugin {path!r} carry no gradient, so no region loss can teach them; with activation '
            'checkpointing (with_cp=True) put the plugin after a whole block, and do not freeze it'
        )
    return regions


def _names(region_losses: Sequence[dict]) -> list[str]:
    """A name for each: its type in snake case, numbered from the second of a type on."""
    names: list[str] = []
    for cfg in region_losses:
        kind = cfg['type'] if isinstance(cfg['type'], str) else cfg['type'].__name__
        name = re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', kind.rpartition('.')[-1]).lower().removesuffix('_loss')
        names.append(name if name not in names else f'{name}_{sum(other.startswith(name) for other in names) + 1}')
    return names


@MODELS.register_module()
class RegionRecognizer2D(WithRegions, TakesFrames, Recognizer2D):
    """:class:`mmaction.models.Recognizer2D` for backbones with regions, see :class:`WithRegions`."""


@MODELS.register_module()
class RegionRecognizer3D(WithRegions, Recognizer3D):
    """:class:`mmaction.models.Recognizer3D` for backbones with regions, see :class:`WithRegions`."""
