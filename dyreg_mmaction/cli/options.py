"""What the options of tools/train.py change in a config."""

import os
from argparse import Namespace

from mmengine import runner
from mmengine.config import Config

from dyreg_mmaction.checkpoints import load_file
from dyreg_mmaction.compat.resuming import is_whole
from dyreg_mmaction.engine import AttachRegionsHook, FiniteHook
from dyreg_mmaction.evaluation import ObjectDistance
from dyreg_mmaction.registry import HOOKS, METRICS

from .type_names import is_of, type_name


def set_resume(cfg: Config, resume: str | None) -> str:
    """Resume from the checkpoint ``resume``, or with 'auto' from the last one of the work dir where there is one.

    Without a checkpoint ``load_from`` is kept. ``resume=True`` in the config is MMEngine's: from ``load_from``, or
    'auto' without one.

    Returns:
        str: What to log.

    Raises:
        FileNotFoundError: If the checkpoint that is named does not exist.
        ValueError: If it is none, or the last one of the work dir is broken and no other is whole.
    """
    if resume is None:
        if not cfg.get('resume'):
            return ''
        resume = cfg.get('load_from') or 'auto'
    checkpoint = runner.find_latest_checkpoint(cfg.work_dir) if resume == 'auto' else resume
    if checkpoint is None:
        cfg.resume = False
        start = f'load_from={cfg.load_from!r}' if cfg.get('load_from') else 'the first weights of the model'
        return f'{cfg.work_dir} has no checkpoint to resume from; starting from {start}.'
    if resume == 'auto':
        if '://' not in checkpoint and not is_whole(checkpoint):
            raise ValueError(
                f'{checkpoint}, the last checkpoint of {cfg.work_dir}, is broken or missing, and there is no other; '
                'get it back, or train in another --work-dir'
            )
    elif '://' not in resume and not os.path.isdir(resume):  # DeepSpeed and FSDP write folders
        if 'message_hub' not in load_file(resume):  # it also says what is wrong with the file
            raise ValueError(
                f'{resume} holds weights and no state of a training to resume; start from it with '
                f'--cfg-options load_from={resume}'
            )
    cfg.resume, cfg.load_from = True, checkpoint
    return f'Resuming from {checkpoint}.'


def set_randomness(cfg: Config, args: Namespace) -> None:
    """Let ``seed``, ``diff_rank_seed`` and ``deterministic`` of a command line add to the config's ``randomness``.

    Raises:
        ValueError: If the seed is none of NumPy's.
    """
    cfg.randomness = dict(dict(seed=None), **(cfg.get('randomness') or {}))
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    for option in ('diff_rank_seed', 'deterministic'):
        if getattr(args, option):
            cfg.randomness[option] = True
    check_seed(cfg.randomness.seed)


def check_seed(seed: int | None) -> None:
    """Check that ``seed`` is one of NumPy's, or None.

    Raises:
        ValueError: If not.
    """
    if seed is not None and not 0 <= seed < 2**32:
        raise ValueError(f'seed={seed} must be from 0 to {2**32 - 1}')


def set_amp(cfg: Config) -> None:
    """Train in mixed precision: float16 with scaled losses on a GPU, bfloat16 on a CPU.

    Raises:
        ValueError: If the optimiser's wrapper is one that cannot.
    """
    kind = type_name(cfg.optim_wrapper) or 'OptimWrapper'
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
        if 'ReduceOnPlateau' not in str(type_name(scheduler)):
            continue
        if cfg.get('val_cfg') is None:
            raise ValueError(
                f'{type_name(scheduler)} waits for {scheduler.get("monitor", "loss")!r} of validation, and without '
                'validation the learning rate would never drop; leave --no-validate out, or give the config another '
                'param_scheduler'
            )
        scheduler.setdefault('end', 10**9)  # MMEngine's is max_epochs, which a resumed run does not raise


def check_regions_attached(cfg: Config, split: str) -> None:
    """Check that a metric on regions gets them: a child config's ``custom_hooks`` replaces that of its base.

    Args:
        cfg (Config): The config.
        split (str): 'val' or 'test'.

    Raises:
        ValueError: If not.
    """
    evaluator = cfg.get(f'{split}_evaluator') or []
    if isinstance(evaluator, dict):
        evaluator = evaluator.get('metrics', evaluator)
    metrics = [evaluator] if isinstance(evaluator, dict) else evaluator
    hooks = [*(cfg.get('custom_hooks') or []), *(cfg.get('default_hooks') or {}).values()]
    if any(is_of(metric, ObjectDistance, METRICS) for metric in metrics):
        if not any(is_of(hook, AttachRegionsHook, HOOKS) for hook in hooks):
            raise ValueError(
                f"ObjectDistance of {split}_evaluator needs dict(type='AttachRegionsHook') in custom_hooks, which is "
                f'{[type_name(hook) for hook in cfg.get("custom_hooks") or []]}; a config that sets custom_hooks '
                'replaces those of its base: repeat them, or write custom_hooks = [*_base_.custom_hooks, ...]'
            )


def make_resumable(cfg: Config) -> None:
    """Replace MMEngine's loop over epochs by the one whose checkpoints resume exactly, where it can."""
    loop = cfg.train_cfg
    over_epochs = type_name(loop) == 'EpochBasedTrainLoop' or ('type' not in loop and loop.get('by_epoch'))
    if over_epochs and not cfg.train_dataloader.get('batch_sampler'):
        loop.pop('by_epoch', None)  # MMEngine takes it only without a type
        loop.type = 'ResumableTrainLoop'


def watch_numbers(cfg: Config) -> None:
    """Stop at a loss or gradient that is not finite, where the config does not say what else to do."""
    hooks = cfg.get('custom_hooks') or []
    if not any(is_of(hook, FiniteHook, HOOKS) for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='dyreg_mmaction.FiniteHook')]
