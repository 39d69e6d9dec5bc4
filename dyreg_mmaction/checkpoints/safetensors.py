"""Checkpoints as .safetensors: tensors and a text, with nothing in them that could be executed."""

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
    """The file of a checkpoint ``dict(state_dict=..., meta=...)``; of the meta only what JSON can hold.

    Raises:
        ValueError: If there are no weights, or something else among them.
    """
    state = content.get('state_dict')
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f'a {SUFFIX} holds weights; give a checkpoint with a state_dict of nothing but tensors')
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}  # none shares memory
    return safetensors.torch.save(tensors, dict(format='pt', meta=json.dumps(_plain(content.get('meta')))))


def _plain(value: Any) -> Any:
    """What of nested dicts JSON can hold."""
    if isinstance(value, Mapping):
        plain = {str(key): _plain(part) for key, part in value.items()}
        return {key: part for key, part in plain.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool) else None


def load_safetensors(path: str | os.PathLike, device: Any = 'cpu') -> dict:
    """A checkpoint ``dict(state_dict=..., meta=...)`` from a file; the meta is empty in files of others.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is none of this kind.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'there is no checkpoint {path}; give the path of a file')
    try:
        with safe_open(path, 'pt', str(device or 'cpu')) as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            meta = json.loads((file.metadata() or {}).get('meta', '{}'))
    except (SafetensorError, json.JSONDecodeError, RecursionError, OSError) as error:
        raise ValueError(f'{path} is damaged or no checkpoint ({error}); get it anew') from error
    if not isinstance(meta, dict):
        raise ValueError(f'{path} has a {type(meta).__name__} for its meta, not a dict; get it anew')
    return dict(meta=meta, state_dict=state)


@CheckpointLoader.register_scheme(prefixes=r'(?!\w+://).*\.safetensors$', force=True)
def load_from_safetensors(filename: str, map_location: Any = None) -> dict:
    """MMEngine's loader of local files that end in .safetensors: for ``load_from``, tools/test.py and inferencers."""
    return load_safetensors(os.path.expanduser(filename), map_location if not callable(map_location) else 'cpu')
