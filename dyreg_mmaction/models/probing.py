"""Layouts and sizes of sub-modules' outputs, from a forward on the meta device, which does no arithmetic.

A model that does not run there, for example because it creates tensors on the CPU or reads a value, runs on zeros.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from .forwards import Forward
from .layouts import ANY, Clips, Example, First, Frames, Layout, SizedTokens, build_layout, find_layout
from .places import attention_around


class Place(NamedTuple):
    """Layout of a sub-module's output and shape of the map of one clip."""

    layout: Layout
    shape: torch.Size  # (C,T,H,W)


class Probe(NamedTuple):
    """Two clips in a model's input format, and (T, H, W) of each clip.

    There are two because MMAction2's non-local blocks after temporal pooling fail on a single clip.
    """

    inputs: Any
    size: tuple[int, int, int]


def find_places(
    model: nn.Module,
    layouts: Mapping[str, Any],
    probe: Probe,
    candidates: Sequence[Layout] = ANY,
) -> dict[str, Place]:
    """Find the layouts and sizes of sub-modules' outputs.

    Args:
        model (nn.Module): The model.
        layouts (Mapping[str, Any]): Layouts by the path of the sub-modules; None: the first matching one of
            ``candidates``.
        probe (Probe): Inputs on the meta device.
        candidates (Sequence[Layout]): Possible layouts of the model's sub-modules.

    Returns:
        dict[str, Place]: Layout and map shape, by path.

    Raises:
        ValueError: If a sub-module does not run exactly once, or its output is not a map of the clips.
    """
    seen = _run_anywhere(model, list(layouts), probe)
    return {path: _place(model, path, layout, seen, probe, candidates) for path, layout in layouts.items()}


def find_inputs(model: nn.Module, paths: Sequence[str], probe: Probe) -> dict[str, list]:
    """Return the first argument of each run of sub-modules by path, from a forward on the meta device.

    Raises:
        ValueError: If the model fails before it reaches one of them.
    """
    seen = _run_anywhere(model, paths, probe, inputs=True)
    for path in paths:
        if not seen.values[path] and seen.failure is not None:
            raise ValueError(_failure(model, f'before={path!r}', probe, seen.failure)) from seen.failure
    return seen.values


class _Seen(NamedTuple):
    values: dict[str, list]  # outputs or inputs
    grids: dict[str, list[tuple[int, int, int]]]  # output sizes of the convolutions that ran before
    failure: Exception | None


def _run_anywhere(model: nn.Module, paths: Sequence[str], probe: Probe, inputs: bool = False) -> _Seen:
    seen = _run(model, paths, probe.inputs, 'meta', inputs)
    if seen.failure is not None and not all(seen.values.values()):
        device = next(iter(model.parameters()), torch.empty(0)).device
        seen = _run(model, paths, probe.inputs, device, inputs)
    return seen


def _run(model: nn.Module, paths: Sequence[str], example: Any, device: torch.device | str, inputs: bool) -> _Seen:
    values: dict[str, list] = {path: [] for path in paths}
    grids: dict[str, list[tuple[int, int, int]]] = {}
    convolved: list[tuple[int, int, int]] = []

    def note_grid(_: nn.Module, __: tuple, output: Tensor) -> None:
        time = output.shape[2] if output.ndim == 5 else len(output) // 2
        convolved.append((time, *output.shape[-2:]))

    def note(path: str, value: Any) -> None:
        values[path].append(value)
        grids[path] = [*convolved]

    hooks: list[Any] = []
    for path in paths:
        module = model.get_submodule(path)
        if inputs:
            hooks.append(module.register_forward_pre_hook(lambda _, args, path=path: note(path, args[0])))
        else:
            hooks.append(module.register_forward_hook(lambda _, __, output, path=path: note(path, output)))
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)]
    hooks += [module.register_forward_hook(note_grid) for module in convolutions]
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    training = {module: module.training for module in model.modules()}
    failure = None
    try:
        nn.Module.train(model, False)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            copied = {key: torch.empty_like(value, device=device).copy_(value) for key, value in state.items()}
            functional_call(model, copied, (tree_map(lambda x: torch.zeros_like(x, device=device), example),))
    except Exception as error:  # modules after the last plugin may need another size, like C3D's linear layers
        failure = error
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return _Seen(values, grids, failure)


def _failure(model: nn.Module, place: str, probe: Probe, failure: Exception) -> str:
    shape = tree_map(lambda x: tuple(x.shape), probe.inputs)
    return (
        f'{type(model).__name__} fails on an input of shape {shape} before it reaches {place}: {failure}; set '
        'input_size and num_segments or num_frames of the backbone to those of the training, or pass an example that '
        'the model accepts'
    )


def _place(model: nn.Module, path: str, given: Any, seen: _Seen, probe: Probe, candidates: Sequence[Layout]) -> Place:
    name, outputs = type(model).__name__, seen.values[path]
    if not outputs and seen.failure is not None:
        raise ValueError(_failure(model, f'after={path!r}', probe, seen.failure)) from seen.failure
    if len(outputs) != 1:
        raise ValueError(
            f'after={path!r} runs {len(outputs)} times in one forward of {name}; choose a sub-module that runs once'
        )
    output, example = outputs[0], Example(2, probe.size, seen.grids[path])
    if given is not None:
        try:
            layout = build_layout(given).fitted(output, example)
        except ValueError as error:
            raise ValueError(
                f'after={path!r} of {name} returns {_describe(output)}, which does not match layout={given!r}: {error}'
            ) from error
    else:
        layout = _find(model, path, output, example, candidates)
    return Place(layout, layout.to_map(output, Forward(2, probe.size)).shape[1:])


def _find(model: nn.Module, path: str, output: Any, example: Example, candidates: Sequence[Layout]) -> Layout:
    name, what = type(model).__name__, _describe(output)
    attention = attention_around(model, path)
    if attention is not None and not (isinstance(output, Tensor) and output.ndim == 3):
        raise ValueError(
            f'after={path!r} of {name} returns {what} inside the attention {attention!r}, where channels may be split '
            f'into heads; choose the whole block, or set layout'
        )
    layouts = _readings(output, example, candidates)
    if len(layouts) > 1 and not _is_convolutional(model.get_submodule(path), layouts[0]):
        raise ValueError(
            f'after={path!r} of {name} returns {what}, which may have the layout {layouts[0]} or {layouts[1]}; set '
            'layout to the right one'
        )
    if layouts:
        return layouts[0]
    if isinstance(output, Tensor) and output.ndim == 3:
        grids = sorted({grid for grid in example.grids}, reverse=True)
        raise ValueError(
            f'after={path!r} of {name} returns {what}; these tokens match none of the previous maps (T, H, W), '
            f'{grids}, with class tokens, of {example.num_clips} clips; choose a whole block, or set the layout, like '
            "layout=dict(type='Tokens', stride=(2, 16, 16), class_tokens=1)"
        )
    raise ValueError(
        f'after={path!r} of {name} returns {what}, which is not a feature map of {example.num_clips} clips of '
        f'{example.size}; choose a convolution, a norm or a block, or set the layout, like '
        "layout='ChannelsLast'"
    )


def _readings(output: Any, example: Example, candidates: Sequence[Layout]) -> list[Layout]:
    """Return the layouts that match an output and differ in where they look for a cell.

    Readings as a map of the size of a previous one are preferred. Orders of candidates that are not the default were
    chosen for a class, so that their first match is certain. So is a size that is part of the output.
    """
    first = find_layout(output, example, candidates)
    if first is None or candidates != ANY or isinstance(first, SizedTokens):
        return [] if first is None else [first]
    readings: dict[Any, Layout] = {}
    for candidate in candidates:
        layout = find_layout(output, example, [candidate])
        if layout is not None:
            x = layout.to_map(output, Forward(example.num_clips, example.size))
            if tuple(x.shape[2:]) in example.grids:
                strides = [stride for stride, size in zip(x.stride(), x.shape, strict=True) if size > 1]
                readings.setdefault((x.shape, *strides), layout)
    return [*readings.values()] or [first]


def _is_convolutional(module: nn.Module, layout: Layout) -> bool:
    """Return whether channels precede the cells of a map: true of convolutions, and likely without linear layers."""
    kinds = [type(each) for each in module.modules()]
    convolutional = any(issubclass(kind, nn.Conv2d | nn.Conv3d | _BatchNorm) for kind in kinds)
    inner = layout.layout if isinstance(layout, First) else layout
    return isinstance(inner, Clips | Frames) and (convolutional or not {nn.Linear, nn.LayerNorm} & {*kinds})


def _describe(output: Any) -> str:
    return f'shape {tuple(output.shape)}' if isinstance(output, Tensor) else type(output).__name__
