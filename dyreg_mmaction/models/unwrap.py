"""The model inside the wrappers of distributed training."""

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(model: nn.Module) -> Any:
    """Return the module inside a registered wrapper such as DistributedDataParallel, or else ``model`` itself."""
    return model.module if is_model_wrapper(model) else model
