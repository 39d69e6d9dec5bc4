"""Load checkpoint files without executing code, and save them atomically."""

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
    """Load a checkpoint to the CPU without executing code in it.

    Args:
        path (str | PathLike): A file of :func:`torch.save`, or a .safetensors file.

    Returns:
        Mapping: The content of the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is a folder, not a checkpoint, or contains more than tensors and plain data.
    """
    if Path(path).is_dir():
        raise ValueError(
            f'{path} is a folder, as written by DeepSpeed and sharded FSDP, from which training can resume; to load '
            'weights, pass a single checkpoint file of the full model'
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist; pass the path of a file')
    if Path(path).suffix == SUFFIX:
        return load_safetensors(path)
    try:
        content = load_weights(path, 'cpu')
    except pickle.UnpicklingError as error:
        code = re.search(r'GLOBAL (\S+)', str(error))
        what = f'refers to {code[1]}' if code else 'is not a checkpoint'
        raise ValueError(
            f'{path} {what}, and loading executes no code; pass a checkpoint of tensors and plain data'
        ) from error
    except (RuntimeError, EOFError, LookupError, ValueError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).split('. ')[0]
        raise ValueError(f'{path} is damaged or not a checkpoint ({reason}); download or save it again') from error
    if not isinstance(content, Mapping):
        raise ValueError(f'{path} contains a {type(content).__name__}, not a dict of weights; pass a checkpoint')
    return content


def save_file(content: Mapping, path: str | os.PathLike) -> None:
    """Save a checkpoint atomically: at any time ``path`` is either the old or the complete new file.

    Args:
        content (Mapping): The checkpoint.
        path (str | PathLike): File to write. A .safetensors file gets ``state_dict`` and the part of ``meta`` that JSON
            can represent.
    """
    with atomic_write(path, sync=True) as part, part.open('wb') as file:
        if Path(path).suffix == SUFFIX:
            file.write(to_bytes(content))
        else:
            torch.save(content, file)
