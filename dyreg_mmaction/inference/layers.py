"""Layers for inference: convolutions fused with norm, ReLU and residual."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dyreg_mmaction.ops import has_onednn

# by the number of axes of the weight
CONVOLUTIONS = {4: F.conv2d, 5: F.conv3d}
MEMORY_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


class FusedConv(nn.Module):
    r"""Convolution, batch norm in eval mode, residual and ReLU fused into one pass over the map.

    .. math::
        y = relu(\frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} (W * x + b - \mu) + \beta + r)

    Args:
        conv (nn.Conv2d | nn.Conv3d): The convolution, with zero padding.
        norm (_BatchNorm, optional): The norm after it.
        relu (bool): Whether to apply a ReLU at the end.
        dtype (torch.dtype): Dtype of the weights.

    Shapes:
        x (B, C, ...), r (B, C', ...) -> (B, C', ...)
    """

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, norm: _BatchNorm | None, relu: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.run: Callable[..., Tensor] = CONVOLUTIONS[conv.weight.ndim]
        self.geometry = (conv.stride, conv.padding, conv.dilation, conv.groups)
        self.relu = relu
        weight, bias = folded(conv, norm)
        weight = weight.to(dtype).contiguous(memory_format=MEMORY_FORMATS[weight.ndim])
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias.to(dtype), requires_grad=False)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return the map. Without gradients, ``residual`` may be overwritten."""
        on_cpu = not torch.compiler.is_compiling() and x.device.type == 'cpu' and has_onednn()
        dtype = self.weight.dtype
        if on_cpu and not has_onednn(dtype):  # PyTorch's kernels of this dtype are 5 to 20 times slower
            dtype = torch.float32
        x, weight, bias = x.to(dtype), self.weight.to(dtype), self.bias.to(dtype)
        residual = None if residual is None else residual.to(dtype)
        learns = torch.is_grad_enabled() and (x.requires_grad or residual is not None and residual.requires_grad)
        run = self._one_pass if on_cpu and not learns else self._passes
        return run(x, weight, bias, residual).to(self.weight.dtype)

    def _one_pass(self, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None) -> Tensor:
        """Run oneDNN, which fuses addition and ReLU while the output is in the cache."""
        stride, padding, dilation, groups = self.geometry
        where = (weight, bias, padding, stride, dilation, groups)
        unary = 'relu' if self.relu else None
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *where, unary or 'none', [], None)
        return torch.ops.mkldnn._convolution_pointwise_.binary(residual, x, *where, 'add', 1.0, unary, [], None)

    def _passes(self, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None) -> Tensor:
        """Run PyTorch's operations one by one, with gradients."""
        y = self.run(x, weight, bias, *self.geometry)
        if residual is not None:
            y = y.add_(residual)
        return y.relu_() if self.relu else y


def folded(conv: nn.Conv2d | nn.Conv3d, norm: _BatchNorm | None) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that equals ``conv`` followed by ``norm`` in eval mode."""
    weight = conv.weight.double()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.double()
    if norm is not None and norm.running_mean is not None and norm.running_var is not None:
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.affine:
            scale = scale * norm.weight.double()
        bias = (bias - norm.running_mean.double()) * scale
        if norm.affine:
            bias = bias + norm.bias.double()
        weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    return weight.to(conv.weight.dtype), bias.to(conv.weight.dtype)


class FusedBlock(nn.Module):
    """A residual block of MMAction2 whose last convolution adds the identity, in place if no other module needs it."""

    conv1: ConvModule
    conv2: ConvModule
    conv3: ConvModule  # bottlenecks only
    downsample: nn.Module | None
    relu: nn.Module  # if it has a hook, or is another activation
    non_local_block: nn.Module  # 3D blocks with non_local only
    before: tuple[nn.Module, ...]  # modules that compute its input, if that is a block of the same stage

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; ``x`` is overwritten if no other module may hold it."""
        out, last = self.conv1(x), self.conv2
        if hasattr(self, 'conv3'):
            out, last = last(out), self.conv3
        if self.downsample is not None:
            x = self.downsample(x)
        elif not torch.compiler.is_compiling() and self._is_shared():  # compiled layers overwrite nothing
            x = x.clone()
        out = last.conv(out, x.to(out.dtype))
        if not last.conv.relu:
            out = self.relu(out)
        return self.non_local_block(out) if getattr(self, 'non_local', False) else out

    def _is_shared(self) -> bool:
        """Return whether a hook, another stage or the caller may hold the input."""
        receivers = (*self.before, self, self.conv1)
        return not self.before or any(module._forward_hooks or module._forward_pre_hooks for module in receivers)
