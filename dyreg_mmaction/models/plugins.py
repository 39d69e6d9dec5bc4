"""Putting a module after any sub-module of any backbone, without a change to the backbone's own state-dict keys."""

import difflib

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .building import build
from .plugin_hook import PluginHook, key_of


def insert_plugins(
    backbone: nn.Module, plugins: list[dict], example: Tensor, clips_alike: bool
) -> tuple[nn.ModuleDict, list[PluginHook]]:
    """Build plugins and hook each after the sub-module that it names.

    Args:
        backbone (nn.Module): The backbone.
        plugins (list[dict]): Config of each plugin; ``after`` is the dotted path of the sub-module whose output it
            refines. ``in_channels`` and ``feature_size`` are filled in.
        example (Tensor): Two clips on the meta device, as the backbone takes them.
        clips_alike (bool): Whether clips have as many frames in every batch as in the example.

    Returns:
        tuple: The plugins by name (the path with '-' for '.'), and their hooks.

    Raises:
        ValueError: If a path is wrong, is named twice, or does not give one feature map per forward.
    """
    paths = [_path(cfg) for cfg in plugins]
    for path in paths:
        _check_path(backbone, path, paths)
    shapes = probe(backbone, paths, example) if paths else {}
    modules, hooks = nn.ModuleDict(), []
    # The seed of the plain model then gives the plain model's weights to all but the plugins
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**31, (), device='cpu')))
        for path, cfg in zip(paths, plugins, strict=True):
            modules[key_of(path)] = _build(path, cfg, shapes[path])
            num_frames = shapes[path][0] if clips_alike else None
            hooks.append(PluginHook(backbone, modules, path, num_frames))
    return modules, hooks


def probe(backbone: nn.Module, paths: list[str], example: Tensor) -> dict[str, torch.Size]:
    """Shapes of the maps of one clip, from a forward of two on the meta device, which costs no arithmetic.

    Two, as MMAction2's non-local blocks behind its temporal pooling fail on one.

    Raises:
        ValueError: If a sub-module does not run exactly once or gives no feature map.
    """
    outputs: dict[str, list] = {path: [] for path in paths}
    hooks = [
        backbone.get_submodule(path).register_forward_hook(
            lambda _, __, output, path=path: outputs[path].append(output)
        )
        for path in paths
    ]
    state = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    training = {module: module.training for module in backbone.modules()}
    failure = None
    try:
        nn.Module.train(backbone, False)
        with torch.no_grad():
            functional_call(backbone, {k: torch.empty_like(v, device='meta') for k, v in state.items()}, (example,))
    except Exception as error:  # what comes after the last plugin may need another size: C3D's fully connected layers
        failure = error
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return {path: _map_shape(backbone, path, outputs[path], example, failure) for path in paths}


def _map_shape(backbone: nn.Module, path: str, outputs: list, example: Tensor, failure: Exception | None) -> torch.Size:
    name = type(backbone).__name__
    if not outputs and failure is not None:
        raise ValueError(
            f'{name} fails on an input of shape {tuple(example.shape)} before it reaches after={path!r}: {failure}; '
            'set input_size (and num_segments) of the backbone to what it is trained with'
        ) from failure
    if len(outputs) != 1:
        raise ValueError(
            f'after={path!r} runs {len(outputs)} times in one forward of {name}; name a sub-module that runs once'
        )
    output = outputs[0]
    if not isinstance(output, Tensor) or output.ndim not in (4, 5):
        what = f'shape {tuple(output.shape)}' if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f'after={path!r} of {name} gives {what}, not a feature map (B*T,C,H,W) or (B,C,T,H,W); name a convolution, '
            'a norm or a block'
        )
    return torch.Size((len(output) // 2, *output.shape[1:]))


def _path(cfg: dict) -> str:
    if not isinstance(cfg, dict) or not isinstance(cfg.get('after'), str) or 'type' not in cfg:
        raise ValueError(f"plugin {cfg!r} must be a dict like dict(type='DyRegGNN', after='layer3.4.conv2.conv')")
    return cfg['after']


def _check_path(backbone: nn.Module, path: str, paths: list[str]) -> None:
    name = type(backbone).__name__
    if paths.count(path) > 1:
        raise ValueError(f'after={path!r} is named by {paths.count(path)} plugins; give each a place of its own')
    valid = [known for known, _ in backbone.named_modules() if known]
    if path in valid:
        return
    parent = path
    while parent and parent not in valid:
        parent = parent.rpartition('.')[0]
    children = [child for child, _ in backbone.get_submodule(parent).named_children()]
    close = difflib.get_close_matches(path, valid, n=4, cutoff=0.5)
    raise ValueError(
        f'after={path!r} is no sub-module of {name}; {parent or "it"} has {children}'
        + (f'; close to it: {close}' if close else '')
    )


def _build(path: str, cfg: dict, shape: torch.Size) -> nn.Module:
    arguments = {key: value for key, value in cfg.items() if key != 'after'}
    try:
        return build(arguments, 'plugin', in_channels=shape[1], feature_size=tuple(shape[-2:]))
    except Exception as error:
        raise ValueError(f'{cfg["type"]} after {path!r}, a map of shape {tuple(shape)}: {error}') from error
