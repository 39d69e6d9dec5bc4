"""Lookup of config and checkpoint of a trained model from one path."""

import os
from pathlib import Path

from mmengine.config import Config

from dyreg_mmaction.checkpoints import load_file
from dyreg_mmaction.compat.config_text import read_config_text


def find_model(path: str | os.PathLike) -> tuple[Config, Path, list[str] | None]:
    """Find config, checkpoint and class names of a checkpoint, or of the best or last checkpoint of a run.

    The config of a run is the file that the training wrote to its work dir. A config inside a checkpoint is read as
    data, see :func:`.read_config_text`.

    Args:
        path (str | PathLike): Checkpoint, or work dir of a training.

    Returns:
        tuple[Config, Path, list[str] | None]: Config, path of the checkpoint, and its class names if it has any.

    Raises:
        FileNotFoundError: If the file does not exist, or the folder has no checkpoint or no config.
        ValueError: If the file is not a checkpoint, or has no config.
    """
    path = Path(path)
    checkpoint = _checkpoint_of(path) if path.is_dir() else path
    meta = load_file(checkpoint).get('meta') or {}
    classes = (meta.get('dataset_meta') or {}).get('classes')
    if path.is_dir():
        cfg = Config.fromfile(_config_of(path))
    elif meta.get('cfg'):
        cfg = read_config_text(meta['cfg'])
    else:
        raise ValueError(f'{path} has no config; pass the one it was trained with by --config')
    return cfg, checkpoint, list(classes) if classes else None


def _checkpoint_of(run: Path) -> Path:
    """Return the best checkpoint of a run, or the last one; the run may have been moved."""
    best = sorted(run.glob('best_*.pth'), key=lambda file: file.stat().st_mtime)
    last = run / 'last_checkpoint'
    named = [run / Path(last.read_text().strip()).name] if last.is_file() else []
    found = [file for file in (*reversed(best), *named) if file.is_file()]
    if not found:
        raise FileNotFoundError(f'{run} has no checkpoint; pass the work dir of a training, or a checkpoint')
    return found[0]


def _config_of(run: Path) -> Path:
    """Return the config that the last training wrote to a folder."""
    configs = sorted(run.glob('*.py'), key=lambda file: file.stat().st_mtime)
    if not configs:
        raise FileNotFoundError(f'{run} has no config; pass the work dir of a training, or a checkpoint')
    return configs[-1]
