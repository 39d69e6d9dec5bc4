"""Fusion of networks for faster inference."""

import copy
import functools
from typing import Any

import torch
from mmaction.models.backbones import resnet, resnet3d
from mmaction.models.backbones.resnet_tsm import TemporalShift
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import wrappers
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map_only

from dyreg_mmaction.models.library_backbones import module_run
from dyreg_mmaction.models.shift import copy_once

from .layers import FusedBlock, FusedConv

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, wrappers.Conv2d, wrappers.Conv3d)
BLOCKS = (resnet.BasicBlock, resnet.Bottleneck, resnet3d.BasicBlock3d, resnet3d.Bottleneck3d)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
HOOKS = (
    '_forward_hooks',
    '_forward_hooks_with_kwargs',
    '_forward_hooks_always_called',
    '_forward_pre_hooks',
    '_forward_pre_hooks_with_kwargs',
    '_backward_hooks',
    '_backward_pre_hooks',
    '_is_full_backward_hook',
)


def fuse_for_inference(model: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return an equivalent, faster copy of a model for inference only, with frozen weights.

    Batch norms, ReLUs and residuals are fused into the preceding convolutions, the temporal shift copies once, and maps
    are channels last in memory. Plugins and other hooks keep their positions: a convolution is not fused with its norm
    or ReLU if a hook is between them. Gradients of the input and of features are those of the model, at its speed.
    Without gradients, a block's output that no hook has received is overwritten by the next block.

    Args:
        model (nn.Module): A recognizer or a backbone with its final weights, with or without plugins.
        dtype (torch.dtype): Dtype of the convolutions. bfloat16 is faster on CPUs with AMX or AVX512-BF16 and on GPUs.
            Regions and the head stay in float32.

    Returns:
        nn.Module: The fused copy.

    Raises:
        ValueError: If ``dtype`` is not float32, bfloat16 or float16.
    """
    if dtype not in DTYPES:
        raise ValueError(f'dtype is {dtype}, but must be one of {", ".join(map(str, DTYPES))}')
    model = copy.deepcopy(model)
    model.eval()  # eval() of MMAction2's backbones returns None
    model.requires_grad_(False)
    backbone = getattr(model, 'backbone', model)
    copy_once(backbone)
    for module in list(backbone.modules()):
        if isinstance(module, ConvModule):
            _fuse_convolution(module, dtype)
    for module in backbone.modules():
        if isinstance(module, nn.Sequential):
            _fuse_blocks(module)
    backbone.eval()  # lets plugins hook the new modules before the model is compiled
    run: Any = module_run(model) if backbone is not model else model
    if dtype != torch.float32 and not isinstance(run, LowPrecision):
        cls: Any = type(run)
        run.__class__ = _in_low_precision(cls)
        run.low_precision = dtype
    return model


class LowPrecision(nn.Module):
    """Mixin before a backbone that runs it under autocast and returns float32."""

    low_precision: torch.dtype

    def forward(self, x: Tensor, *args, **kwargs):
        """Return the backbone's features."""
        with torch.autocast(x.device.type, self.low_precision):
            features = super().forward(x, *args, **kwargs)
        return tree_map_only(Tensor, Tensor.float, features)

    def _forward_features(self, x: Tensor, *args, **kwargs):
        run = super().forward_features  # type: ignore[misc]
        if torch.is_autocast_enabled(x.device.type):  # in forward
            return run(x, *args, **kwargs)
        with torch.autocast(x.device.type, self.low_precision):
            return run(x, *args, **kwargs).float()

    def __reduce_ex__(self, protocol):
        """Pickle through the parent class, because this class is created dynamically."""
        make, arguments, *state = super().__reduce_ex__(2)
        arguments = tuple(type(self).__bases__[1] if each is type(self) else each for each in arguments)
        return _empty_in_low_precision, (make, arguments), *state


@functools.cache
def _in_low_precision(parent: Any) -> Any:
    members = dict(__module__=parent.__module__, __doc__=parent.__doc__)
    if hasattr(parent, 'forward_features'):  # of timm, which MMAction2 runs instead of forward
        members['forward_features'] = LowPrecision._forward_features
    return type(parent.__name__, (LowPrecision, parent), members)


def _empty_in_low_precision(make: Any, arguments: tuple) -> Any:
    backbone = make(*arguments)
    cls: Any = type(backbone)
    backbone.__class__ = _in_low_precision(cls)
    return backbone


def _fuse_convolution(module: ConvModule, dtype: torch.dtype) -> None:
    """Fuse convolution, norm and ReLU as far as no hook is between them."""
    holder, name = (module.conv, 'net') if isinstance(module.conv, TemporalShift) else (module, 'conv')
    conv = getattr(holder, name)
    if type(conv) not in CONVOLUTIONS or conv.padding_mode != 'zeros' or isinstance(conv.padding, str):
        return
    norm = module.norm if module.with_norm else None
    joined = module.order == ('conv', 'norm', 'act') and not _is_hooked(module.conv)
    folds = joined and isinstance(norm, _BatchNorm) and norm.track_running_stats and not norm._forward_pre_hooks
    relu = (
        joined
        and (norm is None or folds and not _is_hooked(norm))
        and module.with_activation
        and _is_plain_relu(module.activate)
    )
    _replace(holder, name, FusedConv(conv, norm if folds else None, relu, dtype))
    if folds:
        _replace(module, module.norm_name, nn.Identity())
    if relu:
        module.with_activation = False


def _fuse_blocks(stage: nn.Sequential) -> None:
    """Fuse the addition of the identity into the last convolution of each residual block."""
    block: Any
    for index, block in enumerate(stage):
        if type(block) not in BLOCKS:
            continue
        last = block.conv3 if hasattr(block, 'conv3') else block.conv2
        alone = not _is_hooked(last) and not last.with_activation
        if type(last.conv) is FusedConv and isinstance(last.norm, nn.Identity) and alone:
            last.conv.relu = _is_plain_relu(block.relu)
            block.__class__ = FusedBlock
            before = stage[index - 1] if index else None
            block.before = () if before is None else (before, getattr(before, 'relu', before))


def _is_plain_relu(module: nn.Module) -> bool:
    return type(module) is nn.ReLU and not _is_hooked(module)


def _replace(holder: nn.Module, name: str, module: nn.Module) -> None:
    old = getattr(holder, name)
    for hooks in HOOKS:
        if hasattr(old, hooks):
            setattr(module, hooks, getattr(old, hooks))
    setattr(holder, name, module.train(old.training))


def _is_hooked(*modules: nn.Module) -> bool:
    """Return whether one of the modules or their sub-modules has a hook, such as a plugin."""
    return any(getattr(inner, hooks, None) for module in modules for inner in module.modules() for hooks in HOOKS)
