"""For which fraction of the training a region loss counts, and how much."""

import math
from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions

from ..building import build
from .base import RegionLoss

ENDINGS = ('linear', 'cosine', 'step')


class Phase(NamedTuple):
    """The weight of a loss as a function of the progress of the training.

    Attributes:
        weight (float): The full weight.
        until (float): Fraction of the training after which ``remain`` applies. With 1, the default, and neither
            ``ending`` nor ``remain`` given, the weight is constant.
        ending (str, optional): 'linear' (default), 'cosine': over the last half of the time before ``until``; 'step':
            at once.
        remain (float, optional): Weight afterwards; 0 by default.
    """

    weight: float = 1.0
    until: float = 1.0
    ending: str | None = None
    remain: float | None = None

    def check(self) -> None:
        """Raises:
        ValueError: If a number is out of range or the ending unknown.
        """
        if not 0 < self.weight < math.inf:
            raise ValueError(
                f'weight={self.weight} of a region loss must be above 0; leave the loss out to switch it off'
            )
        if not 0 < self.until <= 1:
            raise ValueError(f'until={self.until} must be a fraction of the whole training, above 0 and at most 1')
        if self.ending not in (None, *ENDINGS):
            raise ValueError(f'ending={self.ending!r} is unknown; choose one of {ENDINGS}')
        if self.remain is not None and not 0 <= self.remain <= self.weight:
            raise ValueError(f'remain={self.remain} must lie in 0..weight={self.weight}: it is the weight that stays')

    def at(self, progress: float) -> float:
        """Weight at a progress in 0..1."""
        if self.until == 1 and self.ending is None and self.remain is None:
            return self.weight
        remain = self.remain or 0.0
        if progress >= self.until:
            return remain
        gone = max(0.0, 2 * progress / self.until - 1)  # of the second half
        left = {'step': 1.0, 'linear': 1 - gone, 'cosine': (1 + math.cos(math.pi * gone)) / 2}[self.ending or 'linear']
        return remain + (self.weight - remain) * left


class PhasedLoss:
    """A region loss with its phase and the plugins that it teaches.

    Args:
        cfg (dict): Config of the loss, and beside it ``weight``, ``until``, ``ending`` and ``remain``, see
            :class:`Phase`; ``plugins``, the paths of those to be taught (default: all that can learn); ``release``,
            whether the weight falls as regions come to agree with what teaches them, by 1 - 2^-disagreement.
        sources (Mapping[str, nn.Module]): Region sources of the model, by the path of their plugin.
        preprocessor (nn.Module): The model's data preprocessor.

    Raises:
        ValueError: If the phase is not one, or there is no such plugin, or none that learns its regions.
    """

    def __init__(self, cfg: dict, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:
        cfg = dict(cfg)
        self.phase = Phase(**{key: cfg.pop(key) for key in Phase._fields if key in cfg})
        self.phase.check()
        self.release = cfg.pop('release', False)
        self.plugins = _plugins(cfg.pop('plugins', None), sources)
        self.loss = cast(RegionLoss, build(cfg, 'region loss'))
        self.loss.check({path: sources[path] for path in self.plugins}, preprocessor)
        if self.release and not self.loss.releases:
            raise ValueError(
                f'release=True needs a loss that measures disagreement; {type(self.loss).__name__} does not'
            )

    @property
    def weight(self) -> float:
        """The weight now; 0: the loss need not be computed, now and for the rest of the training."""
        weight = self.phase.at(0.0 if self.phase.at(1.0) == self.phase.weight else progress())
        if not weight:
            self.loss.finish()
        return weight

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, and what is to be logged."""
        weight: float | Tensor = self.weight
        loss, measures = self.loss(regions, frames, data_samples)
        if self.release:
            weight = weight * (1 - 2 ** -measures['disagreement'].detach())
        return weight * loss, {**measures, 'weight': torch.as_tensor(weight)}


def progress() -> float:
    """How much of the training that runs in this process is done, in 0..1.

    Raises:
        RuntimeError: If none does.
    """
    hub = MessageHub.get_current_instance()
    done, whole = hub.get_info('iter'), hub.get_info('max_iters')
    if done is None or not whole:
        raise RuntimeError(
            'a region loss with until=... asks how much of the training is done, and nobody says; train with '
            "MMEngine's Runner, or set 'iter' and 'max_iters' of MessageHub.get_current_instance() by update_info"
        )
    return done / whole


def _plugins(paths: list[str] | None, sources: Mapping[str, nn.Module]) -> list[str]:
    learning = [path for path, source in sources.items() if any(True for _ in source.parameters())]
    if not learning:
        raise ValueError(
            'region_losses need a plugin that learns its regions, and the backbone has none; add one like '
            "plugins=[dict(type='DyRegGNN', after=...)]"
        )
    for path in paths or ():
        if path not in learning:
            raise ValueError(
                f'plugins={paths} of a region loss: {path!r} learns no regions; those that do are {learning}'
            )
    return learning if paths is None else list(paths)
