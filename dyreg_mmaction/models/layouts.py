"""Layouts of sub-modules' outputs, and conversions to maps (B, C, T, H, W)."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

MAX_CLASS_TOKENS = 8  # a class token, and registers or a distillation token


class Example(NamedTuple):
    """Facts about a sub-module from the forward of an example.

    Args:
        num_clips (int): Number of clips of the example.
        size (tuple[int, int, int]): (T, H, W) of a clip.
        grids (Sequence[tuple[int, int, int]]): (T, H, W) of the maps of all previous convolutions, in order.
    """

    num_clips: int
    size: tuple[int, int, int]
    grids: Sequence[tuple[int, int, int]] = ()


@dataclass(frozen=True)
class Clips:
    """(B, C, T, H, W); images are clips of one frame."""

    needs_forward = False

    def fitted(self, output: Any, example: Example) -> 'Clips':
        """See :class:`Layout`."""
        _check_axes(output, 5)
        _check_cells(len(output), output.shape[2:], example)
        return self

    def to_map(self, output: Tensor, forward: Any) -> Tensor:
        """See :class:`Layout`."""
        return output if output.ndim == 5 else output.unsqueeze(2)

    def from_map(self, x: Tensor, output: Tensor) -> Tensor:
        """See :class:`Layout`."""
        return x if output.ndim == 5 else x.squeeze(2)


@dataclass(frozen=True)
class _OfFrames:
    """Layout whose batch axis may be that of frames.

    Args:
        num_frames (int, optional): T of the maps; None: each forward reports its clips.
    """

    num_frames: int | None = None

    @property
    def needs_forward(self) -> bool:
        """Whether the number of clips is unknown outside of a forward."""
        return self.num_frames is None


@dataclass(frozen=True)
class Frames(_OfFrames):
    """(B*T, C, H, W)."""

    def fitted(self, output: Any, example: Example) -> 'Frames':
        """See :class:`Layout`."""
        _check_axes(output, 4)
        _check_cells(*_frames(len(output), output.shape[2:], example), example)
        return self

    def to_map(self, output: Tensor, forward: Any) -> Tensor:
        """See :class:`Layout`."""
        return _clips(output, self.num_frames, forward).transpose(1, 2)

    def from_map(self, x: Tensor, output: Tensor) -> Tensor:
        """See :class:`Layout`."""
        return x.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True)
class ChannelsLast(_OfFrames):
    """(B, T, H, W, C), or (B*T, H, W, C)."""

    def fitted(self, output: Any, example: Example) -> 'ChannelsLast':
        """See :class:`Layout`."""
        _check_axes(output, 4, 5)
        rows, cells = len(output), output.shape[1:-1]
        clips, cells = (rows, cells) if len(cells) == 3 else _frames(rows, cells, example)
        _check_cells(clips, cells, example)
        return self

    def to_map(self, output: Tensor, forward: Any) -> Tensor:
        """See :class:`Layout`."""
        x = output if output.ndim == 5 else _clips(output, self.num_frames, forward)
        return x.permute(0, 4, 1, 2, 3)

    def from_map(self, x: Tensor, output: Tensor) -> Tensor:
        """See :class:`Layout`."""
        x = x.permute(0, 2, 3, 4, 1)
        return x if output.ndim == 5 else x.flatten(0, 1)


@dataclass(frozen=True)
class Tokens:
    """(B, K + T*H*W, C), with K class tokens, which are unchanged.

    Args:
        stride (tuple[float, float, float], optional): Stride of the tokens in T, H, W, in frames and pixels. Defaults
            to that of the last previous convolution with the same number of cells.
        class_tokens (int, optional): K. Defaults to the number of tokens minus T*H*W.
        time_last (bool): Whether tokens are in the order H, W, T.
        batch_first (bool): False: (K + T*H*W, B, C).
    """

    stride: tuple[float, ...] | None = None
    class_tokens: int | None = None
    time_last: bool = False
    batch_first: bool = True
    needs_forward = True

    def fitted(self, output: Any, example: Example) -> 'Tokens':
        """See :class:`Layout`."""
        _check_axes(output, 3)
        rows, num_tokens = output.shape[:2] if self.batch_first else output.shape[1::-1]
        if rows != example.num_clips:
            raise ValueError(f'{rows} rows for {example.num_clips} clips')
        stride, class_tokens = _stride(num_tokens, self.stride, self.class_tokens, example.size, example.grids)
        return replace(self, stride=stride, class_tokens=class_tokens)

    def to_map(self, output: Tensor, forward: Any) -> Tensor:
        """See :class:`Layout`."""
        tokens = (output if self.batch_first else output.transpose(0, 1))[:, self.class_tokens :]
        time, *size = _cells(tokens.shape[1], self.stride, forward.size)
        if self.time_last:
            return tokens.unflatten(1, (*size, time)).permute(0, 4, 3, 1, 2)
        return tokens.unflatten(1, (time, *size)).permute(0, 4, 1, 2, 3)

    def from_map(self, x: Tensor, output: Tensor) -> Tensor:
        """See :class:`Layout`."""
        tokens = (x.permute(0, 3, 4, 2, 1) if self.time_last else x.permute(0, 2, 3, 4, 1)).flatten(1, 3)
        return _with_class_tokens(tokens, output, self.class_tokens, self.batch_first)


@dataclass(frozen=True)
class FrameTokens:
    """(B*T, K + H*W, C), with K class tokens in each frame, which are unchanged.

    Args:
        stride (tuple[float, float], optional): Stride of the tokens in H, W, in pixels. Defaults to that of the last
            previous convolution with the same number of cells.
        class_tokens (int, optional): K. Defaults to the number of tokens minus H*W.
        batch_first (bool): False: (K + H*W, B*T, C).
        num_frames (int, optional): T of the maps; None: each forward reports its clips.
    """

    stride: tuple[float, ...] | None = None
    class_tokens: int | None = None
    batch_first: bool = True
    num_frames: int | None = None
    needs_forward = True

    def fitted(self, output: Any, example: Example) -> 'FrameTokens':
        """See :class:`Layout`."""
        _check_axes(output, 3)
        rows, num_tokens = output.shape[:2] if self.batch_first else output.shape[1::-1]
        _frames(rows, (), example)
        grids = [grid[1:] for grid in example.grids]
        stride, class_tokens = _stride(num_tokens, self.stride, self.class_tokens, example.size[1:], grids)
        return replace(self, stride=stride, class_tokens=class_tokens)

    def to_map(self, output: Tensor, forward: Any) -> Tensor:
        """See :class:`Layout`."""
        tokens = (output if self.batch_first else output.transpose(0, 1))[:, self.class_tokens :]
        cells = tokens.unflatten(1, _cells(tokens.shape[1], self.stride, forward.size[1:]))
        return _clips(cells, self.num_frames, forward).permute(0, 4, 1, 2, 3)

    def from_map(self, x: Tensor, output: Tensor) -> Tensor:
        """See :class:`Layout`."""
        tokens = x.permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1)
        return _with_class_tokens(tokens, output, self.class_tokens, self.batch_first)


@dataclass(frozen=True)
class SizedTokens(_OfFrames):
    """A pair of tokens (B, K + T*H*W, C) and (T, H, W), or of (B*T, K + H*W, C) and (H, W)."""

    def fitted(self, output: Any, example: Example) -> 'SizedTokens':
        """See :class:`Layout`."""
        if not (isinstance(output, tuple | list) and len(output) == 2 and isinstance(output[1], Sequence)):
            raise ValueError(f'{type(output).__name__}, not a pair of tokens and their size')
        tokens, size = output
        _check_axes(tokens, 3)
        if len(size) not in (2, 3) or not all(isinstance(cells, int) for cells in size):
            raise ValueError('the second element is not a size (T, H, W) or (H, W) of integers')
        rows = len(tokens)
        clips, cells = (rows, size) if len(size) == 3 else _frames(rows, size, example)
        _check_cells(clips, cells, example)
        if not 0 <= tokens.shape[1] - math.prod(size) <= MAX_CLASS_TOKENS:
            raise ValueError(f'{tokens.shape[1]} tokens of a size {tuple(size)}')
        return self

    def to_map(self, output: tuple[Tensor, Sequence[int]], forward: Any) -> Tensor:
        """See :class:`Layout`."""
        tokens, size = output
        cells = tokens[:, tokens.shape[1] - math.prod(size) :].unflatten(1, tuple(size))
        if len(size) == 2:
            cells = _clips(cells, self.num_frames, forward)
        return cells.permute(0, 4, 1, 2, 3)

    def from_map(self, x: Tensor, output: tuple[Tensor, Sequence[int]]) -> Any:
        """See :class:`Layout`."""
        tokens, size = output
        cells = x.permute(0, 2, 3, 4, 1).flatten(2, 3)  # (B,T,H*W,C)
        cells = cells.flatten(1, 2) if len(size) == 3 else cells.flatten(0, 1)
        return _with_first(output, _with_class_tokens(cells, tokens, tokens.shape[1] - math.prod(size), True))


@dataclass(frozen=True)
class First:
    """A tuple whose first element, and no other, has another layout, as in Hugging Face's models.

    Args:
        layout (Layout | str | dict): That layout.
    """

    layout: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, 'layout', build_layout(self.layout))

    @property
    def needs_forward(self) -> bool:
        """Whether the number of clips is unknown outside of a forward."""
        return self.layout.needs_forward

    def fitted(self, output: Any, example: Example) -> 'First':
        """See :class:`Layout`."""
        if not isinstance(output, tuple | list) or not output:
            raise ValueError(f'{type(output).__name__}, not a tuple')
        layout = First(self.layout.fitted(output[0], example))
        if any(find_layout(other, example, [self.layout]) for other in output[1:]):
            raise ValueError('a tuple of several maps')
        return layout

    def to_map(self, output: Sequence, forward: Any) -> Tensor:
        """See :class:`Layout`."""
        return self.layout.to_map(output[0], forward)

    def from_map(self, x: Tensor, output: Any) -> Any:
        """See :class:`Layout`."""
        return _with_first(output, self.layout.from_map(x, output[0]))


Layout = Clips | Frames | ChannelsLast | Tokens | FrameTokens | SizedTokens | First
"""Methods of each:

- ``fitted(output, example)``: the layout completed from the :class:`Example`; ValueError if the output does not match.
- ``to_map(output, forward)``: the map (B, C, T, H, W), a view if strides allow it, in a :class:`.Forward`, which may be
  None unless ``needs_forward``.
- ``from_map(x, output)``: the map ``x`` in the layout of ``output``.
"""
LAYOUTS: dict[str, Any] = {kind.__name__: kind for kind in get_args(Layout)}


def build_layout(cfg: Any) -> Layout:
    """Build the layout of a plugin's ``layout``: a name, a dict with ``type``, or a layout.

    Raises:
        ValueError: If the name or an argument is unknown.
    """
    if isinstance(cfg, Layout):
        return cfg
    arguments = dict(type=cfg) if isinstance(cfg, str) else dict(cfg) if isinstance(cfg, dict) else {}
    kind = arguments.pop('type', None)
    if kind not in LAYOUTS:
        raise ValueError(f'layout={cfg!r} is unknown; choose one of {list(LAYOUTS)}')
    names = [name for name in inspect.signature(LAYOUTS[kind]).parameters]
    if unknown := arguments.keys() - set(names):
        raise ValueError(f'layout {kind} has no argument {min(unknown)!r}; it accepts {names or "none"}')
    if kind == 'First' and 'layout' not in arguments:
        raise ValueError("layout First requires the argument 'layout', that of the first element")
    return LAYOUTS[kind](**arguments)


ANY: tuple[Layout, ...] = (
    Clips(),
    Frames(),
    ChannelsLast(),
    SizedTokens(),
    Tokens(),
    FrameTokens(),
    FrameTokens(batch_first=False),
    Tokens(batch_first=False),
)
ANY += tuple(First(layout) for layout in ANY)


def find_layout(output: Any, example: Example, candidates: Sequence[Layout]) -> Layout | None:
    """Return the first layout that matches an output, or None."""
    for layout in candidates:
        try:
            return layout.fitted(output, example)
        except ValueError:
            continue
    return None


def with_num_frames(layout: Layout, num_frames: int) -> Layout:
    """Set the number of frames T of the maps of a layout."""
    if isinstance(layout, Clips | Tokens):
        return layout
    if isinstance(layout, First):
        return First(with_num_frames(layout.layout, num_frames))
    return replace(layout, num_frames=num_frames)


def _check_axes(output: Any, *counts: int) -> None:
    if not isinstance(output, Tensor):
        raise ValueError(f'{type(output).__name__}, not a tensor')
    if output.ndim not in counts:
        raise ValueError(f'{output.ndim} axes, not {" or ".join(map(str, counts))}')


def _check_cells(num_clips: int, cells: Sequence[int], example: Example) -> None:
    """Check that a map has the number of clips of the input, at most its size, and its aspect ratio."""
    (_, height, width), (_, rows, columns) = example.size, cells
    if num_clips != example.num_clips:
        raise ValueError(f'{num_clips} rows for {example.num_clips} clips')
    if any(cell > pixel for cell, pixel in zip(cells, example.size, strict=True)):
        raise ValueError(f'T, H, W = {tuple(cells)}, more than the {example.size} of the input')
    if abs(rows * width - columns * height) > max(height, width):  # differs by more than a cell
        raise ValueError(f'H x W = {rows} x {columns} in an input of {height} x {width}')


def _frames(rows: int, cells: Sequence[int], example: Example) -> tuple[int, tuple[int, ...]]:
    """Return the number of clips and (T, H, W) of frames in the batch axis."""
    time, rest = divmod(rows, example.num_clips)
    if rest or not 0 < time <= example.size[0]:
        raise ValueError(f'{rows} rows for {example.num_clips} clips of {example.size[0]} frames')
    return example.num_clips, (time, *cells)


def _stride(
    num_tokens: int,
    stride: Sequence[float] | None,
    class_tokens: int | None,
    size: Sequence[int],
    grids: Sequence[Sequence[int]],
) -> tuple[tuple[float, ...], int]:
    """Return the stride and the number of class tokens that result in ``num_tokens`` for an input of ``size``."""
    if stride is not None:
        steps = stride if isinstance(stride, tuple | list) else ()
        if len(steps) != len(size) or not all(isinstance(step, int | float) and step > 0 for step in steps):
            raise ValueError(f'stride={stride!r} must be {len(size)} positive numbers')
        grids = [[math.ceil(pixel / step) for pixel, step in zip(size, stride, strict=True)]]
        grids += [[int(pixel // step) for pixel, step in zip(size, stride, strict=True)]]
    for grid in reversed(grids):
        others = num_tokens - math.prod(grid)
        if others == class_tokens if class_tokens is not None else 0 <= others <= MAX_CLASS_TOKENS:
            return tuple(_step(pixel, cell) for pixel, cell in zip(size, grid, strict=True)), others
    axes = 'T x H x W' if len(size) == 3 else 'H x W'
    extra = 'class tokens' if class_tokens is None else f'{class_tokens} class tokens'
    raise ValueError(f'{num_tokens} tokens, which are not {axes} + {extra} of an input of {tuple(size)}')


def _step(size: int, cells: int) -> float:
    """Return the stride that divides ``size`` into ``cells``, rounded to a power of two if the division has a rest."""
    exponent = math.log2(size / cells)
    powers = (2.0 ** math.floor(exponent), 2.0 ** math.ceil(exponent)) if size % cells else ()
    return next((power for power in powers if cells in (size // power, math.ceil(size / power))), size / cells)


def _cells(num_tokens: int, stride: Any, size: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of cells of an input of ``size`` whose product is the number of tokens."""
    axes = [sorted({int(pixel / step), math.ceil(pixel / step)}) for pixel, step in zip(size, stride, strict=True)]
    for cells in product(*axes):
        if math.prod(cells) == num_tokens:
            return cells
    raise ValueError(
        f'{num_tokens} tokens are not {" x ".join(str(cells[0]) for cells in axes)}, the cells of an input of '
        f'{tuple(size)} with stride {stride}; correct the stride of the layout'
    )


def _clips(x: Tensor, num_frames: int | None, forward: Any) -> Tensor:
    """Return a view of (B*T, ...) as (B, T, ...)."""
    return x.unflatten(0, (-1, num_frames) if num_frames is not None else (forward.num_clips, -1))


def _with_class_tokens(tokens: Tensor, output: Tensor, class_tokens: int | None, batch_first: bool) -> Tensor:
    """Concatenate the class tokens of ``output`` and ``tokens`` (B, N, C), in the axis order of ``output``."""
    tokens = tokens if batch_first else tokens.transpose(0, 1)
    if not class_tokens:
        return tokens
    axis = 1 if batch_first else 0
    return torch.cat((output.narrow(axis, 0, class_tokens), tokens), axis)


def _with_first(output: Any, first: Any) -> Any:
    """Return a list, tuple or named tuple with another first element."""
    elements = (first, *output[1:])
    return type(output)(*elements) if hasattr(output, '_fields') else type(output)(elements)
