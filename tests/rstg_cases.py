"""Modules with RSTG's nodes, ready to be compared with the plain evaluation in ``reference_rstg``."""

import numpy as np
import torch
from torch import nn


def randomize(module: nn.Module) -> nn.Module:
    """Draw every parameter and running statistic anew, so that none sits at 0 or 1; for evaluation."""
    torch.manual_seed(0)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 if 'running_var' in name else 0.5 * torch.randn_like(value))
    return module.eval()


def exact(module: nn.Module) -> nn.Module:
    """The same in float64."""
    return randomize(module.double())


def state(module: nn.Module) -> dict[str, np.ndarray]:
    """State dict as arrays."""
    return {name: value.numpy() for name, value in module.state_dict().items()}
