"""Apply command-line options of tools/train.py to a config."""

import os
from argparse import Namespace

from mmengine import runner
from mmengine.config import Config

from dyreg_mmaction.checkpoints import load_file
from dyreg_mmaction.compat.resuming import is_whole
from dyreg_mmaction.engine import AttachRegionsHook, FiniteHook
from dyreg_mmaction.evaluation import ObjectDistance, RegionProbe
from dyreg_mmaction.registry import HOOKS, METRICS

from .type_names import is_of, type_name


def set_resume(cfg: Config, resume: str | None) -> str:
    """Set the checkpoint to resume from.

    Without a checkpoint in the work dir ``load_from`` is kept.

    Args:
        cfg (Config): The config to change.
        resume (str, optional): Checkpoint, or 'auto' for the last one in the work dir. None: use ``resume`` of the
            config, where True means ``load_from`` or, without it, 'auto'.

    Returns:
        str: Message to log.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If the file is not a training checkpoint, or all checkpoints of the work dir are damaged.
    """
    if resume is None:
        if not cfg.get('resume'):
            return ''
        resume = cfg.get('load_from') or 'auto'
    checkpoint = runner.find_latest_checkpoint(cfg.work_dir) if resume == 'auto' else resume
    if checkpoint is None:
        cfg.resume = False
        start = f'load_from={cfg.load_from!r}' if cfg.get('load_from') else 'the initial weights of the model'
        return f'{cfg.work_dir} has no checkpoint to resume from; starting from {start}.'
    if resume == 'auto':
        if '://' not in checkpoint and not is_whole(checkpoint):
            raise ValueError(
                f'{checkpoint}, the last checkpoint of {cfg.work_dir}, is damaged or missing, and there is no other; '
                'restore it, or choose another --work-dir'
            )
    elif '://' not in resume and not os.path.isdir(resume):  # DeepSpeed and FSDP write folders
        if 'message_hub' not in load_file(resume):  # raises an error if the file is damaged
            raise ValueError(
                f'{resume} contains weights but no training state to resume; start from it with '
                f'--cfg-options load_from={resume}'
            )
    cfg.resume, cfg.load_from = True, checkpoint
    return f'Resuming from {checkpoint}.'


def set_randomness(cfg: Config, args: Namespace) -> None:
    """Merge ``seed``, ``diff_rank_seed`` and ``deterministic`` of a command line into ``randomness`` of the config.

    Raises:
        ValueError: If the seed is out of range.
    """
    cfg.randomness = dict(dict(seed=None), **(cfg.get('randomness') or {}))
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    for option in ('diff_rank_seed', 'deterministic'):
        if getattr(args, option):
            cfg.randomness[option] = True
    check_seed(cfg.randomness.seed)


def check_seed(seed: int | None) -> None:
    """Check that ``seed`` is None or a valid seed of NumPy.

    Raises:
        ValueError: If it is out of range.
    """
    if seed is not None and not 0 <= seed < 2**32:
        raise ValueError(f'seed={seed} must be from 0 to {2**32 - 1}')


def set_amp(cfg: Config) -> None:
    """Train in mixed precision: float16 with scaled losses on a GPU, bfloat16 on a CPU.

    Raises:
        ValueError: If the type of ``optim_wrapper`` does not support it.
    """
    kind = type_name(cfg.optim_wrapper) or 'OptimWrapper'
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'--amp does not support optim_wrapper.type={kind!r}; use OptimWrapper')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def set_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by the total batch size.

    Raises:
        ValueError: If the config has no ``auto_scale_lr.base_batch_size``.
    """
    if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
        raise ValueError(
            '--auto-scale-lr needs the total batch size for which the learning rate of the config was chosen; set it '
            'with --cfg-options auto_scale_lr.base_batch_size=N'
        )
    cfg.auto_scale_lr.enable = True


def check_schedule(cfg: Config) -> None:
    """Check that ReduceOnPlateau schedulers have a validation, and extend them to the whole training.

    Raises:
        ValueError: If validation is disabled.
    """
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in [schedulers] if isinstance(schedulers, dict) else schedulers:
        if 'ReduceOnPlateau' not in str(type_name(scheduler)):
            continue
        if cfg.get('val_cfg') is None:
            raise ValueError(
                f'{type_name(scheduler)} monitors {scheduler.get("monitor", "loss")!r} of the validation, which is '
                'disabled; remove --no-validate, or set another param_scheduler'
            )
        scheduler.setdefault('end', 10**9)  # MMEngine's default, max_epochs, is not extended by a resumed run


def check_regions_attached(cfg: Config, split: str) -> None:
    """Check that a config with ObjectDistance or RegionProbe also has AttachRegionsHook.

    A config that sets ``custom_hooks`` replaces those of its base, so the hook is easily lost.

    Args:
        cfg (Config): The config.
        split (str): 'val' or 'test'.

    Raises:
        ValueError: If the hook is missing.
    """
    evaluator = cfg.get(f'{split}_evaluator') or []
    if isinstance(evaluator, dict):
        evaluator = evaluator.get('metrics', evaluator)
    metrics = [evaluator] if isinstance(evaluator, dict) else evaluator
    hooks = [*(cfg.get('custom_hooks') or []), *(cfg.get('default_hooks') or {}).values()]
    for kind in (ObjectDistance, RegionProbe):
        needed = any(is_of(metric, kind, METRICS) for metric in metrics)
        if needed and not any(is_of(hook, AttachRegionsHook, HOOKS) for hook in hooks):
            raise ValueError(
                f"{kind.__name__} of {split}_evaluator needs dict(type='AttachRegionsHook') in custom_hooks, which is "
                f'{[type_name(hook) for hook in cfg.get("custom_hooks") or []]}; a config that sets custom_hooks '
                'replaces those of its base: repeat them, or write custom_hooks = [*_base_.custom_hooks, ...]'
            )


def make_resumable(cfg: Config) -> None:
    """Replace MMEngine's epoch loop by :class:`.ResumableTrainLoop` unless a batch sampler is used."""
    loop = cfg.train_cfg
    over_epochs = type_name(loop) == 'EpochBasedTrainLoop' or ('type' not in loop and loop.get('by_epoch'))
    if over_epochs and not cfg.train_dataloader.get('batch_sampler'):
        loop.pop('by_epoch', None)  # MMEngine accepts it only without a type
        loop.type = 'ResumableTrainLoop'


def watch_numbers(cfg: Config) -> None:
    """Add :class:`.FiniteHook` to configs without it."""
    hooks = cfg.get('custom_hooks') or []
    if not any(is_of(hook, FiniteHook, HOOKS) for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='dyreg_mmaction.FiniteHook')]
