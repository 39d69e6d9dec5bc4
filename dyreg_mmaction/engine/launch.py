"""What tools/train.py and tools/test.py do to a config before MMEngine's runner gets it."""

import json
import os
import os.path as osp
import urllib.request
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlparse

import mmengine
import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

from dyreg_mmaction.checkpoints import load_file
from dyreg_mmaction.datasets.checks import check_lists
from dyreg_mmaction.models.num_segments import check_num_segments

from .config_variables import read_config
from .damaged_samples import replace_damaged

PREPARE = 'python tools/data/prepare_something.py prepares Something-Something (see tools/data/README.md)'
TRAINING = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
TEST = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the program with the message, and not with a traceback, of what its user can mend."""
    try:
        yield
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None


def load_config(args: Namespace, sections: tuple[str, ...] = ()) -> Config:
    """Read the config of a command line with ``config``, ``work_dir``, ``launcher`` and ``cfg_options``.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it cannot be read, or lacks one of ``sections``.
    """
    if '::' not in str(args.config) and not osp.isfile(args.config):
        raise FileNotFoundError(f'config {str(args.config)!r} does not exist; configs/ has those of this package')
    try:
        cfg = read_config(args.config, args.cfg_options)
    except Exception as error:  # whatever its Python says
        options = f' with --cfg-options {args.cfg_options}' if args.cfg_options else ''
        reason = f'{type(error).__name__}: {error}'
        raise ValueError(f'config {str(args.config)!r}{options} cannot be read: {reason}') from error
    missing = [section for section in sections if cfg.get(section) is None]
    if missing:
        raise ValueError(f'config {str(args.config)!r} has no {", ".join(missing)}; it must have {", ".join(sections)}')
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('work_dirs', osp.splitext(osp.basename(args.config))[0])
    if not torch.cuda.is_available():
        cfg.sync_bn = None  # exists for GPUs only
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader) is not None and not cfg[loader].get('num_workers'):
            cfg[loader].persistent_workers = False  # there are none
    check_num_segments(cfg)
    return cfg


class FittingWeightsHook(Hook):
    """Refuses a checkpoint of which nothing fits the model; MMEngine only logs every key."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys.

        Raises:
            ValueError: If not one is the model's.
        """
        weights = {key.removeprefix('module.') for key in checkpoint.get('state_dict', checkpoint)}
        model = getattr(runner.model, 'module', runner.model)
        if weights.isdisjoint(model.state_dict()):
            raise ValueError(
                f'not one of the {len(weights)} keys of the checkpoint (such as {min(weights, default=None)!r}) is one '
                f'of the {type(model).__name__} of the config (such as {min(model.state_dict())!r}); give a checkpoint '
                'of this config, or convert a released one with tools/convert_checkpoint.py'
            )


def build_runner(cfg: Config) -> Runner:
    """The runner that the config asks for, mmengine's by default."""
    replace_damaged(cfg, 'train_dataloader', 'val_dataloader', 'test_dataloader')
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.register_hook(FittingWeightsHook())
    return runner


def set_resume(cfg: Config, resume: str | None) -> str:
    """Resume from the checkpoint ``resume``, or with 'auto' from the last one of the work dir where there is one.

    A process that torchrun has started again resumes of its own accord. Without a checkpoint ``load_from`` is kept.

    Returns:
        str: What to log.

    Raises:
        FileNotFoundError: If the checkpoint that is named does not exist.
        ValueError: If it is none.
    """
    restarted = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)) > 0
    if resume is None and not restarted:
        return ''
    if resume not in (None, 'auto') and '://' not in resume:
        if 'message_hub' not in load_file(resume):  # it also says what is wrong with the file
            raise ValueError(
                f'{resume} holds weights and no state of a training to resume; start from it with '
                f'--cfg-options load_from={resume}'
            )
    latest = find_latest_checkpoint(cfg.work_dir) if resume in (None, 'auto') or restarted else resume
    checkpoint = latest or (resume if resume != 'auto' else None)
    if checkpoint:
        cfg.resume, cfg.load_from = True, checkpoint
        return f'Resuming from {checkpoint}.'
    cfg.resume = False
    start = f'load_from={cfg.load_from!r}' if cfg.get('load_from') else 'the first weights of the model'
    return f'{cfg.work_dir} has no checkpoint to resume from; starting from {start}.'


def set_randomness(cfg: Config, args: Namespace) -> None:
    """Let ``seed``, ``diff_rank_seed`` and ``deterministic`` of a command line add to the config's ``randomness``."""
    cfg.randomness = dict(dict(seed=None), **(cfg.get('randomness') or {}))
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    for option in ('diff_rank_seed', 'deterministic'):
        if getattr(args, option):
            cfg.randomness[option] = True


def set_amp(cfg: Config) -> None:
    """Train in mixed precision: float16 with scaled losses on a GPU, bfloat16 on a CPU.

    Raises:
        ValueError: If the optimiser's wrapper is one that cannot.
    """
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp needs optim_wrapper.type OptimWrapper, not {kind!r}')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def set_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by the batch size.

    Raises:
        ValueError: If the config does not say for which one its learning rate is.
    """
    if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
        raise ValueError(
            '--auto-scale-lr needs the batch size, of all processes together, that the learning rate of the config is '
            'for; give it with --cfg-options auto_scale_lr.base_batch_size=N'
        )
    cfg.auto_scale_lr.enable = True


def check_schedule(cfg: Config) -> None:
    """See that schedulers that wait for validation get one, for as long as the training lasts.

    Raises:
        ValueError: If there is no validation.
    """
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in [schedulers] if isinstance(schedulers, dict) else schedulers:
        if 'ReduceOnPlateau' not in str(scheduler.get('type')):
            continue
        if cfg.get('val_cfg') is None:
            raise ValueError(
                f'{scheduler["type"]} waits for {scheduler.get("monitor", "loss")!r} of validation, and without '
                'validation the learning rate would never drop; leave --no-validate out, or give the config another '
                'param_scheduler'
            )
        scheduler.setdefault('end', 10**9)  # MMEngine's is max_epochs, which a resumed run does not raise


def make_resumable(cfg: Config) -> None:
    """Replace MMEngine's loop over epochs by the one whose checkpoints resume exactly, where it can."""
    if cfg.train_cfg.get('type') == 'EpochBasedTrainLoop' and not cfg.train_dataloader.get('batch_sampler'):
        cfg.train_cfg.type = 'ResumableTrainLoop'


def watch_numbers(cfg: Config) -> None:
    """Stop at a loss or gradient that is not finite, where the config does not say what else to do."""
    hooks = cfg.get('custom_hooks') or []
    if not any(hook.get('type') == 'FiniteHook' for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='FiniteHook')]


def check_weights(cfg: Config) -> None:
    """See that weights with an address are on disk or can be had, before minutes go into building the rest.

    Raises:
        FileNotFoundError: If they are not and cannot.
    """
    addresses = {'model.backbone.pretrained': (cfg.model.get('backbone') or {}).get('pretrained')}
    addresses['load_from'] = cfg.get('load_from')
    for where, address in addresses.items():
        url = _url(address) if isinstance(address, str) else None
        if url is None:
            continue
        file = osp.join(torch.hub.get_dir(), 'checkpoints', osp.basename(urlparse(url).path))
        if osp.exists(file):
            continue
        try:
            urllib.request.urlopen(urllib.request.Request(url, method='HEAD'), timeout=15).close()
        except OSError as error:
            raise FileNotFoundError(
                f'{where}={address!r} cannot be downloaded ({error}); put the file of {url} at {file}, or do without '
                f'with --cfg-options {where}=None'
            ) from error


def _url(address: str) -> str | None:
    """Where MMEngine gets weights from; None if it is a file, or one of its other hubs."""
    if address.startswith(('http://', 'https://')):
        return address
    scheme, _, name = address.partition('://')
    if scheme not in ('torchvision', 'modelzoo'):
        return None
    with open(osp.join(osp.dirname(mmengine.__file__), 'hub', 'torchvision_0.12.json')) as file:
        return json.load(file).get(name)


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
