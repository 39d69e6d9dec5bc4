"""What tools/train.py and tools/test.py do to a config before MMEngine's runner gets it."""

import os.path as osp
from argparse import Namespace

import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.runner import Runner

from dyreg_mmaction.datasets.checks import check_lists

from .config_variables import read_config
from .damaged_samples import replace_damaged

PREPARE = 'python tools/data/prepare_something.py prepares Something-Something (see tools/data/README.md)'


def load_config(args: Namespace) -> Config:
    """Read the config of a command line with ``config``, ``work_dir``, ``launcher`` and ``cfg_options``."""
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('work_dirs', osp.splitext(osp.basename(args.config))[0])
    if not torch.cuda.is_available():
        cfg.sync_bn = None  # exists for GPUs only
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The runner that the config asks for, mmengine's by default."""
    replace_damaged(cfg, 'train_dataloader', 'val_dataloader', 'test_dataloader')
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def check_data(cfg: Config, *loaders: str) -> None:
    """See that the files of these dataloaders exist and their lists are right, before minutes go into the rest.

    Raises:
        FileNotFoundError: If an annotation file or a data folder is missing.
        ValueError: If a line of a list is wrong, see :func:`.check_lists`.
    """
    for loader in loaders:
        if cfg.get(loader) is not None:
            _check_dataset(cfg[loader].dataset, f'{loader}.dataset')
            classes = (cfg.model.get('cls_head') or {}).get('num_classes')
            check_lists(cfg[loader].dataset, f'{loader}.dataset', classes, unlabelled=loader == 'test_dataloader')


def _check_dataset(dataset: dict, where: str) -> None:
    for key in ('dataset', 'datasets'):  # RepeatDataset, ConcatDataset
        parts = dataset.get(key, [])
        for part in parts if isinstance(parts, list) else [parts]:
            _check_dataset(part, f'{where}.{key}')
    root = dataset.get('data_root') or ''
    paths = {'ann_file': dataset.get('ann_file')}
    paths.update({f'data_prefix.{key}': path for key, path in (dataset.get('data_prefix') or {}).items()})
    for key, path in paths.items():
        if path and '://' not in path and not path.startswith('s3:') and not osp.exists(osp.join(root, path)):
            raise FileNotFoundError(
                f'{where}.{key}={osp.join(root, path)!r} does not exist; {PREPARE}, or set another path with '
                f'--cfg-options {where}.{key}=PATH'
            )
