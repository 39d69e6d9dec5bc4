"""The temporal shift of TSM (ICCV 2019) in any backbone that takes frames."""

import fnmatch
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dyreg_mmaction.ops import temporal_shift
from dyreg_mmaction.registry import MODELS

from .placed_hook import CountedHook
from .probing import Probe, find_inputs

LONG_STAGE = 23  # blocks from which on TSM shifts every second one


@MODELS.register_module()
class TemporalShift:
    """Plugin without parameters that shifts channels between neighboring frames before convolutions.

    .. code:: python

        plug(torchvision.models.resnet50(), [dict(type='TemporalShift')], example=torch.zeros(8, 3, 224, 224))

    By default the input of ``conv1`` in every residual block is shifted (in every second block if a stage has 23 or
    more), as in MMAction2's ResNetTSM with ``shift_place='blockres'``. ``before='layer*.*'`` shifts the input of whole
    blocks, including the identity, as with ``shift_place='block'``.

    Args:
        shift_div (int): Inverse of the fraction of the channels that is shifted in each direction.
        before (str | Sequence[str], optional): Paths of the sub-modules whose input is shifted; '*' stands for any part
            of one name, as in 'layer*.*.conv1'.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, shift_div: int = 8, before: str | Sequence[str] | None = None) -> None:
        if not (isinstance(shift_div, int) and shift_div >= 2):
            raise ValueError(f'shift_div of TemporalShift is {shift_div!r}, but must be an integer of at least 2')
        patterns = [before] if isinstance(before, str) else before
        if patterns is not None and not (isinstance(patterns, Sequence) and patterns and all(map(_is_name, patterns))):
            raise ValueError(
                f'before={before!r} of TemporalShift must be a path of a sub-module or a list of them; omit it for the '
                'residual blocks of a ResNet'
            )
        self.shift_div = shift_div
        self.patterns = patterns

    def find_paths(self, model: nn.Module, probe: Probe) -> list[str]:
        """Return the paths of the sub-modules whose input is to be shifted.

        Raises:
            ValueError: If there are none, or the input of one is not a map (B * T, C, H, W) of enough channels.
        """
        kinds = {kind.__name__ for module in model.modules() for kind in type(module).__mro__}
        if 'TemporalShift' in kinds:  # of MMAction2, or of another implementation
            raise ValueError(f'{type(model).__name__} has a temporal shift; remove TemporalShift from plugins')
        paths = _first_convolutions(model) if self.patterns is None else _matches(model, self.patterns)
        for path, inputs in find_inputs(model, paths, probe).items():
            self._check(model, path, inputs, probe.size[0])
        return paths

    def _check(self, model: nn.Module, path: str, inputs: list, time: int) -> None:
        x, place = inputs[0] if inputs else None, f'before={path!r} of {type(model).__name__}'
        if len(inputs) != 1:
            raise ValueError(
                f'{place} runs {len(inputs)} times in one forward; choose sub-modules that run once for TemporalShift'
            )
        inner = model.get_submodule(path).modules()
        fitting = {convolution.in_channels for convolution in inner if isinstance(convolution, nn.Conv2d)}
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] not in fitting or len(x) != 2 * time:
            shape = f'shape {tuple(x.shape)}' if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f'{place} gets {shape} for 2 clips of {time} frames, but TemporalShift needs the frames of all clips, '
                '(B * T, C, H, W), before a 2D convolution'
            )
        if x.shape[1] < self.shift_div:
            raise ValueError(
                f'shift_div={self.shift_div} of TemporalShift exceeds the {x.shape[1]} channels {place}; use a number '
                'up to that of the channels, or set before to other sub-modules'
            )


class ShiftHook(CountedHook):
    """Forward pre-hook that shifts the input of a sub-module.

    A hook, because a wrapper would change the keys of the state dict.

    Args:
        backbone (nn.Module): The backbone.
        path (str): Dotted path of the sub-module.
        shift_div (int): See :class:`TemporalShift`.
        time (int, optional): Clip length. None: that of the running forward.
    """

    def __init__(self, backbone: nn.Module, path: str, shift_div: int, time: int | None) -> None:
        super().__init__(path, f'the temporal shift before={path!r}')
        self.shift_div = shift_div
        self.time = time
        self.attach(backbone)

    def register(self, module: nn.Module) -> RemovableHandle:
        """Register the hook at a module."""
        return module.register_forward_pre_hook(self)

    def __call__(self, module: nn.Module, args: tuple, output: Any = None) -> tuple:
        """Return the arguments of the sub-module, the first one shifted."""
        x, forward = args[0], self.count()
        time = self.time or (forward and forward.size[0])
        if not time or forward is None and len(x) % time:
            raise RuntimeError(
                f'{self.name} got {len(x)} frames outside of a forward of its backbone, where the '
                f'clip length is {time or "unknown"}; run the whole backbone on whole clips, or, if activation '
                'checkpointing recomputes the sub-module in backward, set num_segments to a number'
            )
        return temporal_shift(x, time, self.shift_div), *args[1:]


def _first_convolutions(model: nn.Module) -> list[str]:
    """Return the path of ``conv1`` in each residual block, or in every second one of networks with a long stage."""
    stages: dict[str, list[str]] = defaultdict(list)
    for path, module in model.named_modules():
        blocks = isinstance(module, nn.Sequential | nn.ModuleList)
        for name, block in module.named_children() if blocks else ():
            if _is_convolutional(getattr(block, 'conv1', None)):
                stages[path].append(f'{path}.{name}.conv1'.lstrip('.'))
    if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        raise ValueError(
            f'{type(model).__name__} has no 2D convolutions, but TemporalShift needs a backbone that takes frames '
            '(B * T, C, H, W)'
        )
    if not stages:
        raise ValueError(
            f'{type(model).__name__} has no residual blocks with a conv1 in sequences; set before of TemporalShift to '
            "the first convolution of each block, like before='blocks.*.conv'"
        )
    step = 2 if max(len(paths) for paths in stages.values()) >= LONG_STAGE else 1
    return [path for paths in stages.values() for path in paths[::step]]


def _is_name(pattern: Any) -> bool:
    return isinstance(pattern, str) and pattern != ''


def _is_convolutional(module: nn.Module | None) -> bool:
    """Return whether a module is a 2D convolution, or MMAction2's with its norm."""
    return isinstance(module, nn.Conv2d) or isinstance(getattr(module, 'conv', None), nn.Conv2d)


def _matches(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Return the paths of the sub-modules that match a pattern name by name."""
    found: dict[str, None] = {}
    for pattern in patterns:
        names = pattern.split('.')
        matches = [path for path, _ in model.named_modules() if path and _is_match(path.split('.'), names)]
        if not matches:
            raise ValueError(
                f'before={pattern!r} of TemporalShift matches no sub-module of {type(model).__name__}, which has '
                f'{[name for name, _ in model.named_children()]}'
            )
        found.update(dict.fromkeys(matches))
    return list(found)


def _is_match(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(map(fnmatch.fnmatchcase, names, patterns))
