"""What sub-modules give, from a forward on the meta device, which costs no arithmetic."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from .forwards import Forward
from .layouts import ANY, Example, Layout, build_layout, find_layout
from .places import attention_around


class Place(NamedTuple):
    """Layout of a sub-module's output, and shape of the map of one clip."""

    layout: Layout
    shape: torch.Size  # (C,T,H,W)


class Probe(NamedTuple):
    """Two clips as a model takes them, and T, H, W of each.

    Two, as MMAction2's non-local blocks after its temporal pooling fail on one.
    """

    inputs: Any
    size: tuple[int, int, int]


def find_places(
    model: nn.Module,
    layouts: Mapping[str, Any],
    probe: Probe,
    candidates: Sequence[Layout] = ANY,
) -> dict[str, Place]:
    """Layout and size of the features of sub-modules.

    Args:
        model (nn.Module): The model.
        layouts (Mapping[str, Any]): By the path of each sub-module its layout, or None: the first that fits of
            ``candidates``.
        probe (Probe): Inputs on the meta device.
        candidates (Sequence[Layout]): Layouts of the model's sub-modules.

    Raises:
        ValueError: If a sub-module does not run exactly once, or gives no map of the clips.
    """
    seen = _run(model, list(layouts), probe)
    return {path: _place(model, path, layout, seen, probe, candidates) for path, layout in layouts.items()}


class _Seen(NamedTuple):
    outputs: dict[str, list]
    grids: dict[str, list[tuple[int, int, int]]]  # of convolutions that ran before
    failure: Exception | None


def _run(model: nn.Module, paths: list[str], probe: Probe) -> _Seen:
    outputs: dict[str, list] = {path: [] for path in paths}
    grids: dict[str, list[tuple[int, int, int]]] = {}
    convolved: list[tuple[int, int, int]] = []

    def note_grid(_: nn.Module, __: tuple, output: Tensor) -> None:
        time = output.shape[2] if output.ndim == 5 else len(output) // 2
        convolved.append((time, *output.shape[-2:]))

    def note_output(path: str, output: Any) -> None:
        outputs[path].append(output)
        grids[path] = [*convolved]

    hooks = [
        model.get_submodule(path).register_forward_hook(lambda _, __, output, path=path: note_output(path, output))
        for path in paths
    ]
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)]
    hooks += [module.register_forward_hook(note_grid) for module in convolutions]
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    training = {module: module.training for module in model.modules()}
    failure = None
    try:
        nn.Module.train(model, False)
        with torch.no_grad():
            meta = {key: torch.empty_like(value, device='meta') for key, value in state.items()}
            functional_call(model, meta, (probe.inputs,))
    except Exception as error:  # what comes after the last plugin may need another size: C3D's fully connected layers
        failure = error
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return _Seen(outputs, grids, failure)


def _place(model: nn.Module, path: str, given: Any, seen: _Seen, probe: Probe, candidates: Sequence[Layout]) -> Place:
    name, outputs = type(model).__name__, seen.outputs[path]
    if not outputs and seen.failure is not None:
        shape = tree_map(lambda x: tuple(x.shape), probe.inputs)
        raise ValueError(
            f'{name} fails on an input of shape {shape} before it reaches after={path!r}: {seen.failure}; set '
            'input_size and num_segments or num_frames of the backbone to what it is trained with'
        ) from seen.failure
    if len(outputs) != 1:
        raise ValueError(
            f'after={path!r} runs {len(outputs)} times in one forward of {name}; name a sub-module that runs once'
        )
    output, example = outputs[0], Example(2, probe.size, seen.grids[path])
    if given is not None:
        try:
            layout = build_layout(given).fitted(output, example)
        except ValueError as error:
            raise ValueError(
                f'after={path!r} of {name} gives {_describe(output)}, which is not layout={given!r}: {error}'
            ) from error
    else:
        layout = _find(model, path, output, example, candidates)
    return Place(layout, layout.to_map(output, Forward(2, probe.size)).shape[1:])


def _find(model: nn.Module, path: str, output: Any, example: Example, candidates: Sequence[Layout]) -> Layout:
    name, what = type(model).__name__, _describe(output)
    attention = attention_around(model, path)
    if attention is not None and not (isinstance(output, Tensor) and output.ndim == 3):
        raise ValueError(
            f'after={path!r} of {name} gives {what} inside the attention {attention!r}, where heads take the place of '
            f'channels; name the whole block, or give the layout'
        )
    layout = find_layout(output, example, candidates)
    if layout is not None:
        return layout
    if isinstance(output, Tensor) and output.ndim == 3:
        grids = sorted({grid for grid in example.grids}, reverse=True)
        raise ValueError(
            f'after={path!r} of {name} gives {what}, tokens that are not T x H x W of one of the maps before, {grids}, '
            f'and class tokens of {example.num_clips} clips; name a whole block, or give the layout, like '
            "layout=dict(type='Tokens', stride=(2, 16, 16), class_tokens=1)"
        )
    raise ValueError(
        f'after={path!r} of {name} gives {what}, not a feature map of {example.num_clips} clips of '
        f'{example.size}; name a convolution, a norm or a block, or give the layout, like '
        "layout='ChannelsLast'"
    )


def _describe(output: Any) -> str:
    return f'shape {tuple(output.shape)}' if isinstance(output, Tensor) else type(output).__name__
