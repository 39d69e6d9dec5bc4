"""Checks when checkpoints are loaded into plugged backbones."""

import warnings
from collections.abc import Mapping

from torch import Tensor, nn


def check_shapes(model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str) -> None:
    """Check that the shapes of a checkpoint match those of a model.

    Raises:
        ValueError: If they differ, which MMEngine only logs.
    """
    for key, value in model.state_dict().items():
        given = state_dict.get(prefix + key)
        if given is not None and given.shape != value.shape:
            raise ValueError(
                f'{prefix + key} has shape {tuple(given.shape)} in the checkpoint, but {tuple(value.shape)} in '
                f'{type(model).__name__}; set depth, widths, num_nodes and input_size of the config to those that the '
                'checkpoint was trained with'
            )


def count_missing(plugins: nn.ModuleDict, state_dict: Mapping[str, Tensor], prefix: str) -> int:
    """Count the plugins without any weight in a checkpoint."""
    return sum(
        not any(f'{prefix}plugins.{name}.{key}' in state_dict for key in plugin.state_dict())
        for name, plugin in plugins.items()
        if plugin.state_dict()
    )


def warn_missing(num_missing: int, num_plugins: int) -> None:
    """Warn that a checkpoint without weights of plugins, usable to start a training, is tested."""
    warnings.warn(
        f'the checkpoint has no weights for {num_missing} of {num_plugins} plugins, which are tested untrained; '
        'untrained DyRegGNN and RSTG are the identity, so the results are those of the plain model',
        stacklevel=3,
    )


def load_plugins(plugins: nn.Module, _, state_dict: dict, prefix: str, *__) -> None:
    """Move the weights of plugins from a state dict into ``plugins``; a hook for backbones without own plugins."""
    own = f'{prefix}plugins.'
    keys = [key for key in state_dict if key.startswith(own)]
    plugins.load_state_dict({key.removeprefix(own): state_dict.pop(key) for key in keys}, strict=False)
