"""Checkpoints as .safetensors files, which contain only tensors and text."""

import json
import os
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError, safe_open
from torch import Tensor

SUFFIX = '.safetensors'


def to_bytes(content: Mapping) -> bytes:
    """Serialize a checkpoint ``dict(state_dict=..., meta=...)``.

    Values in ``meta`` that JSON cannot represent are dropped.

    Raises:
        ValueError: If ``state_dict`` is missing or contains anything but tensors.
    """
    state = content.get('state_dict')
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(
            f'a {SUFFIX} file contains weights only; pass a checkpoint whose state_dict contains only tensors'
        )
    tensors = {
        key: value.detach().cpu().clone().contiguous() for key, value in state.items()
    }  # safetensors rejects shared memory
    return safetensors.torch.save(tensors, dict(format='pt', meta=json.dumps(_plain(content.get('meta')))))


def _plain(value: Any) -> Any:
    """Return the part of a nested value that JSON can represent."""
    if isinstance(value, Mapping):
        plain = {str(key): _plain(item) for key, item in value.items()}
        return {key: item for key, item in plain.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else None


def load_safetensors(path: str | os.PathLike, device: Any = 'cpu') -> dict:
    """Load a checkpoint ``dict(state_dict=..., meta=...)``. ``meta`` is empty if other programs wrote the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a valid .safetensors file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {path} does not exist; pass the path of a file')
    try:
        with safe_open(path, 'pt', str(device or 'cpu')) as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            meta = json.loads((file.metadata() or {}).get('meta', '{}'))
    except (SafetensorError, json.JSONDecodeError, RecursionError, OSError) as error:
        raise ValueError(f'{path} is damaged or not a checkpoint ({error}); download or save it again') from error
    if not isinstance(meta, dict):
        raise ValueError(f'meta of {path} is a {type(meta).__name__}, not a dict; download or save it again')
    return dict(meta=meta, state_dict=state)


@CheckpointLoader.register_scheme(prefixes=r'(?!\w+://).*\.safetensors$', force=True)
def load_from_safetensors(filename: str, map_location: Any = None) -> dict:
    """Load local .safetensors files for MMEngine: in ``load_from``, tools/test.py and inferencers."""
    return load_safetensors(os.path.expanduser(filename), map_location if not callable(map_location) else 'cpu')
