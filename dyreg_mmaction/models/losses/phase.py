"""Weight of a region loss as a function of the training progress."""

import math
from collections.abc import Mapping
from typing import NamedTuple, cast, get_type_hints

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions

from ..building import build, check_types
from .base import RegionLoss

ENDINGS = ('linear', 'cosine', 'step')


class Phase(NamedTuple):
    """The weight of a loss as a function of the training progress.

    Attributes:
        weight (float): Initial weight.
        until (float): Fraction of training after which ``remain`` applies. With the default 1, the weight is constant
            unless ``ending`` or ``remain`` is set.
        ending (str, optional): Decay of the weight: 'linear' (default) or 'cosine', over the second half of the phase;
            'step': at its end.
        remain (float, optional): Weight after the phase. Defaults to 0.
    """

    weight: float = 1.0
    until: float = 1.0
    ending: str | None = None
    remain: float | None = None

    def check(self) -> None:
        """Check the values.

        Raises:
            ValueError: If a number is out of range or the ending is unknown.
        """
        if not 0 < self.weight < math.inf:
            raise ValueError(
                f'weight of a region loss is {self.weight}, but must be above 0; remove the loss to disable it'
            )
        if not 0 < self.until <= 1:
            raise ValueError(f'until is {self.until}, but must be a fraction of training, above 0 and at most 1')
        if self.ending not in (None, *ENDINGS):
            raise ValueError(f'ending={self.ending!r} is unknown; choose one of {ENDINGS}')
        if self.remain is not None and not 0 <= self.remain <= self.weight:
            raise ValueError(f'remain is {self.remain}, but must be between 0 and weight={self.weight}')

    def at(self, progress: float) -> float:
        """Return the weight at a progress in 0..1."""
        if self.until == 1 and self.ending is None and self.remain is None:
            return self.weight
        remain = self.remain or 0.0
        if progress >= self.until:
            return remain
        done = max(0.0, 2 * progress / self.until - 1)  # fraction of the second half
        left = {'step': 1.0, 'linear': 1 - done, 'cosine': (1 + math.cos(math.pi * done)) / 2}[self.ending or 'linear']
        return remain + (self.weight - remain) * left


class PhasedLoss:
    """A region loss with its phase and the plugins that it supervises.

    Args:
        cfg (dict): Config of the loss, with these additional keys: ``weight``, ``until``, ``ending`` and ``remain``,
            see :class:`Phase`; ``plugins``: paths of the supervised plugins (default: all with learned regions);
            ``release``: whether to multiply the weight by 1 - 2^-disagreement, so that it decreases as regions agree
            with their target.
        sources (Mapping[str, nn.Module]): Region sources of the model, by plugin path.
        preprocessor (nn.Module): The model's data preprocessor.

    Raises:
        ValueError: If the phase is invalid, a plugin does not exist, or no plugin has learned regions.
    """

    def __init__(self, cfg: dict, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:
        cfg = dict(cfg)
        check_types(cfg, get_type_hints(Phase) | dict(release=bool), 'region loss')
        self.phase = Phase(**{key: cfg.pop(key) for key in Phase._fields if key in cfg})
        self.phase.check()
        self.release = cfg.pop('release', False)
        self.plugins = _plugins(cfg.pop('plugins', None), sources)
        self.loss = cast(RegionLoss, build(cfg, 'region loss'))
        self.loss.check({path: sources[path] for path in self.plugins}, preprocessor)
        if self.release and not self.loss.releases:
            raise ValueError(
                f'release=True requires a loss that measures disagreement, but {type(self.loss).__name__} does not; '
                'remove release'
            )

    @property
    def weight(self) -> float:
        """Current weight. If it is 0, the loss is not needed for the rest of the training."""
        weight = self.phase.at(0.0 if self.phase.at(1.0) == self.phase.weight else progress())
        if not weight:
            self.loss.finish()
        return weight

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted loss and the values to log."""
        weight: float | Tensor = self.weight
        loss, measures = self.loss(regions, frames, data_samples)
        if self.release:
            weight = weight * (1 - 2 ** -measures['disagreement'].detach())
        return weight * loss, {**measures, 'weight': torch.as_tensor(weight)}


def progress() -> float:
    """Return the progress of the training in this process, in 0..1.

    Raises:
        RuntimeError: If no training runs.
    """
    hub = MessageHub.get_current_instance()
    done, whole = hub.get_info('iter'), hub.get_info('max_iters')
    if done is None or not whole:
        raise RuntimeError(
            'a region loss with until=... needs the training progress, which the MessageHub does not contain; train '
            "with MMEngine's Runner, or set 'iter' and 'max_iters' of MessageHub.get_current_instance() by update_info"
        )
    return done / whole


def _plugins(paths: list[str] | None, sources: Mapping[str, nn.Module]) -> list[str]:
    learning = [path for path, source in sources.items() if any(True for _ in source.parameters())]
    if not learning:
        raise ValueError(
            'region_losses require a plugin with learned regions, but the backbone has none; add one, like '
            "plugins=[dict(type='DyRegGNN', after=...)]"
        )
    for path in paths or ():
        if path not in learning:
            raise ValueError(
                f'plugins={paths} of a region loss: {path!r} has no learned regions; choose from {learning}'
            )
    return learning if paths is None else list(paths)
