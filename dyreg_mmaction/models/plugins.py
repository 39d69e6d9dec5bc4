"""Putting a module after any sub-module of any backbone, without a change to the backbone's own state-dict keys."""

import difflib

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .building import build


class Refinement:
    """Forward hook that gives a sub-module's output to a plugin.

    An object and not a closure: deepcopy and pickle follow its attribute, so that a copied backbone calls its own
    copy of the plugin.

    Args:
        plugin (nn.Module): Module from (B, C, T, H, W) to the same shape.
        clips (tuple[int, int]): Number of clips and frames of each in maps (B*T, C, H, W); one of them is -1.
    """

    def __init__(self, plugin: nn.Module, clips: tuple[int, int]) -> None:
        self.plugin = plugin
        self.clips = clips

    def __call__(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        """Refine maps (B, C, T, H, W) or (B*T, C, H, W)."""
        if output.ndim == 5:
            return self.plugin(output)
        maps = output.unflatten(0, self.clips).transpose(1, 2)  # (B,C,T,H,W), a view
        return self.plugin(maps).transpose(1, 2).flatten(0, 1)


def insert_plugins(backbone: nn.Module, plugins: list[dict], example: Tensor) -> tuple[nn.ModuleDict, list[Refinement]]:
    """Build plugins and hook each after the sub-module that it names.

    Args:
        backbone (nn.Module): The backbone.
        plugins (list[dict]): Config of each plugin; ``after`` is the dotted path of the sub-module whose output it
            refines. ``in_channels`` and ``feature_size`` are filled in.
        example (Tensor): One clip on the meta device, as the backbone takes it.

    Returns:
        tuple: The plugins by name (the path with '-' for '.'), and their hooks.

    Raises:
        ValueError: If a path is wrong, is named twice, or does not give one feature map per forward.
    """
    paths = [_path(cfg) for cfg in plugins]
    for path in paths:
        _check_path(backbone, path, paths)
    shapes = probe(backbone, paths, example) if paths else {}
    modules, refinements = nn.ModuleDict(), []
    # The seed of the plain model then gives the plain model's weights to all but the plugins
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**31, (), device='cpu')))
        for path, cfg in zip(paths, plugins, strict=True):
            plugin = _build(path, cfg, shapes[path])
            modules[path.replace('.', '-')] = plugin
            refinements.append(Refinement(plugin, (-1, shapes[path][0])))
            backbone.get_submodule(path).register_forward_hook(refinements[-1])
    return modules, refinements


def probe(backbone: nn.Module, paths: list[str], example: Tensor) -> dict[str, torch.Size]:
    """Shapes that sub-modules give for ``example``, from one forward on the meta device, which costs no arithmetic.

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
    return output.shape


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
