"""Modules with RSTG's nodes for comparison with ``reference_rstg``."""

import numpy as np
import torch
from torch import nn


def randomize(module: nn.Module) -> nn.Module:
    """Draw random parameters and running statistics, none of them 0 or 1, and set eval mode."""
    torch.manual_seed(0)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if 'running_var' in name else 0.5 * torch.randn_like(value))
    return module.eval()


def exact(module: nn.Module) -> nn.Module:
    """Return the module in float64 with random parameters."""
    return randomize(module.double())


def state(module: nn.Module) -> dict[str, np.ndarray]:
    """Return the state dict as arrays."""
    return {name: value.numpy() for name, value in module.state_dict().items()}
