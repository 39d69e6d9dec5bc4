"""Checkpoints of plugged backbones: what is refused, and what is only a start for training."""

import warnings
from collections.abc import Mapping

from torch import Tensor, nn


def check_shapes(model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str) -> None:
    """Compare the shapes of a checkpoint with those of a model.

    Raises:
        ValueError: If they differ, which MMEngine would only log.
    """
    for key, value in model.state_dict().items():
        given = state_dict.get(prefix + key)
        if given is not None and given.shape != value.shape:
            raise ValueError(
                f'checkpoint has {prefix + key} of shape {tuple(given.shape)}, {type(model).__name__} of '
                f'{tuple(value.shape)}; make depth, widths, num_nodes and input_size of the config those that the '
                'checkpoint was trained with'
            )


def count_missing(plugins: nn.ModuleDict, state_dict: Mapping[str, Tensor], prefix: str) -> int:
    """Number of plugins of which a checkpoint has no weight."""
    return sum(
        not any(f'{prefix}plugins.{name}.{key}' in state_dict for key in plugin.state_dict())
        for name, plugin in plugins.items()
        if plugin.state_dict()
    )


def warn_missing(num_missing: int, num_plugins: int) -> None:
    """A plain model's checkpoint is a start for training, but not what a plugged model is tested with."""
    warnings.warn(
        f'this checkpoint has no weights for {num_missing} of {num_plugins} plugins: they are tested untrained, and '
        "untrained DyRegGNN and RSTG change nothing, so that results are the plain model's",
        stacklevel=3,
    )


def load_plugins(plugins: nn.Module, _, state_dict: dict, prefix: str, *__) -> None:
    """Move the weights of plugins from a state dict into ``plugins``, as a hook of a backbone that lacks them."""
    own = f'{prefix}plugins.'
    keys = [key for key in state_dict if key.startswith(own)]
    plugins.load_state_dict({key.removeprefix(own): state_dict.pop(key) for key in keys}, strict=False)
