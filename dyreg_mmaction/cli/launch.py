"""What tools/train.py and tools/test.py do to a config before MMEngine's runner gets it."""

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
def one_sentence() -> Iterator[None]:
    """End the program with the message, and not with a traceback, of what its user can mend."""
    try:
        yield
    except (FileNotFoundError, ImportError, RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None


def load_config(args: Namespace, sections: tuple[str, ...] = ()) -> Config:
    """Read the config of a command line with ``config``, ``work_dir``, ``launcher`` and ``cfg_options``.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it cannot be read, or lacks one of ``sections``.
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
            cfg[loader].persistent_workers = False  # there are none
    check_config(cfg)
    return cfg


def check_sync_bn(cfg: Config) -> None:
    """See that the norms of several processes can be synchronised as the config says.

    Raises:
        ValueError: If not.
    """
    kind = cfg.get('sync_bn')
    if kind not in (None, 'torch', 'mmcv'):
        raise ValueError(f"sync_bn={kind!r} is none of 'torch', 'mmcv' and None")
    if kind == 'mmcv' and not (torch.cuda.is_available() and find_spec('mmcv.ops')):
        raise ValueError(
            "sync_bn='mmcv' needs a GPU and an mmcv with its operators, not mmcv-lite; take --cfg-options sync_bn=torch"
        )


def build_runner(cfg: Config) -> Runner:
    """The runner that the config asks for, mmengine's by default, with the policies of compat/."""
    enable_policies()
    name_types(cfg)  # of a config that no tool has read
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    watch_damaged(runner)
    runner.register_hook(FittingWeightsHook())
    return runner
