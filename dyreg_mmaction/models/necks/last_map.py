"""The last feature map of a Recognizer2D's backbone, before MMAction2 pools it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..layouts import ChannelsLast, Frames, FrameTokens, Layout
from ..placed_hook import PlacedHook


class LastMapHook(PlacedHook):
    """Forward hook that refines the output of a sub-module by a neck.

    Args:
        neck (nn.Module): Neck with a method ``refine``.
        path (str): Dotted path of the sub-module; '' for the backbone itself.
    """

    def __init__(self, neck: Any, path: str) -> None:
        super().__init__(path)
        self.neck = neck

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """Return the refined output."""
        return self.neck.refine(output)


def find_last_map(recognizer: Any) -> tuple[str, Layout | None]:
    """Find the sub-module of a Recognizer2D's backbone that outputs the map which MMAction2 pools.

    MMAction2 uses the output of its own backbones, of ``features`` in torchvision models that have it, and of
    ``forward_features`` in timm models. It pools the latter two according to ``feature_shape``.

    Returns:
        tuple: Its path in the backbone, '' for the backbone itself; and its layout, None if the output determines it.

    Raises:
        ValueError: If no sub-module outputs it.
    """
    backbone, origin = recognizer.backbone, recognizer.backbone_from
    if origin not in ('timm', 'torchvision'):
        return '', None
    class_tokens = getattr(backbone, 'num_prefix_tokens', 0)
    layouts: dict[Any, Layout] = {
        'NHWC': ChannelsLast(),
        'NLC': FrameTokens(class_tokens=class_tokens),
        'NCHW': Frames(),
    }
    layout = layouts.get(recognizer.feature_shape)
    if isinstance(getattr(backbone, 'features', None), nn.Module) and origin == 'torchvision':
        return 'features', layout
    path, output = _before_pooling(backbone, 'forward_features' if origin == 'timm' else 'forward')
    if path is None:
        raise ValueError(
            f'no sub-module of {type(backbone).__name__} from {origin} outputs the feature map before its pooling, '
            'which RegionNeck refines; insert a plugin with dyreg_mmaction.models.add_plugins, or use another backbone'
        )
    return path, layout or (layouts['NLC'] if output.ndim == 3 else layouts['NCHW'])


def _before_pooling(backbone: nn.Module, method: str) -> tuple[str | None, Any]:
    """Return the outermost sub-module that outputs the result of ``method`` or the input of the last pooling."""
    outputs: list[tuple[str, Tensor]] = []
    pooled: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _, __, output, path=path: outputs.append((path, output)))
        for path, module in backbone.named_modules()
        if path
    ]
    pools = [module for module in backbone.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
    hooks += [pool.register_forward_pre_hook(lambda _, args: pooled.append(args[0])) for pool in pools]
    try:
        result = _run_on_meta(backbone, method)
    finally:
        for hook in hooks:
            hook.remove()
    last = pooled[-1] if method == 'forward' and pooled else result
    found = [path for path, output in outputs if output is last]
    return (found[-1], last) if found and isinstance(last, Tensor) and last.ndim in (3, 4) else (None, None)


class _Method(nn.Module):
    """Module whose forward is a method of another module."""

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module = module
        self.name = name

    def forward(self, x: Tensor) -> Any:
        return getattr(self.module, self.name)(x)


def _run_on_meta(backbone: nn.Module, method: str) -> Any:
    """Run a method on the meta device for two frames of the input size of the backbone."""
    size = getattr(getattr(backbone, 'patch_embed', None), 'img_size', None) or (224, 224)
    training = {module: module.training for module in backbone.modules()}
    state = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    meta = {f'module.{key}': torch.empty_like(value, device='meta') for key, value in state.items()}
    try:
        nn.Module.train(backbone, False)
        with torch.no_grad():
            return functional_call(_Method(backbone, method), meta, (torch.empty(2, 3, *size, device='meta'),))
    finally:
        for module, mode in training.items():
            module.training = mode
