"""Checkpoint files: loading executes no code, saving never leaves half a file."""

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from dyreg_mmaction.compat.checkpoint_loading import load_weights
from dyreg_mmaction.files import atomic_write

from .safetensors import SUFFIX, load_safetensors, to_bytes


def load_file(path: str | os.PathLike) -> Mapping:
    """Load a checkpoint, to the CPU, without executing code from it; .safetensors too.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is none, a folder, or holds more than tensors and plain data.
    """
    if Path(path).is_dir():
        raise ValueError(
            f'{path} is a folder, as DeepSpeed and sharded FSDP write; it can be resumed, but weights are loaded '
            'from one file: give a checkpoint of the whole model'
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}; give the path of a file')
    if Path(path).suffix == SUFFIX:
        return load_safetensors(path)
    try:
        content = load_weights(path, 'cpu')
    except pickle.UnpicklingError as error:
        code = re.search(r'GLOBAL (\S+)', str(error))
        what = f'asks for {code[1]}' if code else 'is no checkpoint'
        raise ValueError(
            f'{path} {what}, and loading executes no code; give a checkpoint of tensors and plain data'
        ) from error
    except (RuntimeError, EOFError, LookupError, ValueError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).split('. ')[0]
        raise ValueError(f'{path} is damaged or no checkpoint ({reason}); get it anew') from error
    if not isinstance(content, Mapping):
        raise ValueError(f'{path} holds a {type(content).__name__}, not a dict of weights; give a checkpoint')
    return content


def save_file(content: Mapping, path: str | os.PathLike) -> None:
    """Save a checkpoint atomically: whatever happens, ``path`` is the old file or the whole new one.

    One that ends in .safetensors gets the weights and what JSON can hold of the ``meta``.
    """
    with atomic_write(path, sync=True) as part, part.open('wb') as file:
        if Path(path).suffix == SUFFIX:
            file.write(to_bytes(content))
        else:
            torch.save(content, file)
