"""Prepare a config for MMEngine's Runner."""

import os.path as osp
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.runner import Runner

from dyreg_mmaction.compat import enable_policies
from dyreg_mmaction.engine.checks import check_config
from dyreg_mmaction.engine.hooks.damaged_samples import watch_damaged
from dyreg_mmaction.engine.hooks.fitting_weights import FittingWeightsHook

from .configs import read_config
from .type_names import name_types

TRAINING = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
TEST = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


@contextmanager
def exit_with_message() -> Iterator[None]:
    """Exit with the message instead of the traceback of an error that a user can fix.

    Yields:
        None
    """
    try:
        yield
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None


def load_config(args: Namespace, sections: tuple[str, ...] = ()) -> Config:
    """Read and check the config of a command line.

    Args:
        args (Namespace): Has ``config``, ``work_dir``, ``launcher`` and ``cfg_options``.
        sections (tuple[str, ...]): Keys that the config must have.

    Returns:
        Config: The config.

    Raises:
        FileNotFoundError: If the config does not exist.
        ValueError: If the config cannot be read, lacks one of ``sections`` or is inconsistent.
    """
    cfg = read_config(args.config, args.cfg_options)
    missing = [section for section in sections if cfg.get(section) is None]
    if missing:
        raise ValueError(f'config {str(args.config)!r} has no {", ".join(missing)}; it must have {", ".join(sections)}')
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('work_dirs', osp.splitext(osp.basename(args.config))[0])
    check_sync_bn(cfg)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader) is not None and not cfg[loader].get('num_workers'):
            cfg[loader].persistent_workers = False  # PyTorch requires workers for it
    check_config(cfg)
    return cfg


def check_sync_bn(cfg: Config) -> None:
    """Check that ``sync_bn`` of a config is valid and supported on this machine.

    Raises:
        ValueError: If it is not.
    """
    kind = cfg.get('sync_bn')
    if kind not in (None, 'torch', 'mmcv'):
        raise ValueError(f"sync_bn={kind!r} must be 'torch', 'mmcv' or None")
    if kind == 'mmcv' and not (torch.cuda.is_available() and find_spec('mmcv.ops')):
        raise ValueError(
            "sync_bn='mmcv' needs a GPU and the full mmcv instead of mmcv-lite; use --cfg-options sync_bn=torch"
        )


def build_runner(cfg: Config) -> Runner:
    """Build the runner of a config (default: MMEngine's Runner) with the policies of compat/ enabled."""
    enable_policies()
    name_types(cfg)  # in case the config was not read by read_config
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    watch_damaged(runner)
    runner.register_hook(FittingWeightsHook())
    return runner
