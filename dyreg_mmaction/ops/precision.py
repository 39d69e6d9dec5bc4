"""Region arithmetic runs in at least float32, whatever the precision of the network."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """Return float32 for half-precision dtypes and the dtype itself otherwise."""
    return torch.promote_types(dtype, torch.float32)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Disable autocast on the device of x. If it is already disabled, return a null context, which exporters accept."""
    device = x.device.type
    has = torch.amp.is_autocast_available(device)  # false for 'meta'
    return torch.autocast(device, enabled=False) if has and torch.is_autocast_enabled(device) else nullcontext()
