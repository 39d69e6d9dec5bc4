"""Region arithmetic keeps float32, whatever precision the rest of the network has."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, else the dtype itself."""
    return torch.promote_types(dtype, torch.float32)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Context without autocast on the device of x; where it is off, nothing that an exporter would have to record."""
    device = x.device.type
    has = torch.amp.is_autocast_available(device)  # 'meta' has not
    return torch.autocast(device, enabled=False) if has and torch.is_autocast_enabled(device) else nullcontext()
