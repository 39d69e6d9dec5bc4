"""One run of a study: a config trained with one seed, in portions."""

import copy
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope, init_default_scope

from dyreg_mmaction.checkpoints import load_file
from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.cli.options import check_regions_attached, check_seed
from dyreg_mmaction.cli.type_names import type_name
from dyreg_mmaction.engine.hooks.portion import CHECKPOINT
from dyreg_mmaction.models.with_node_classifier import without_node_classifier
from dyreg_mmaction.registry import DATASETS, MODELS


class StudyRun:
    """Training run that MMEngine's runner resumes for each portion.

    Args:
        name (str): Name of the run.
        cfg (Config): Training config, see :func:`study_config`.
        seed (int): Seed of weights and videos.
        options (Namespace): ``out``, ``portion``, ``videos`` and ``val_videos`` of the study.

    Attributes:
        curve (list[dict[str, float]]): One point per portion, see :class:`.PortionHook`.
        num_parameters (int): Number of parameters of the model in testing.
        diverged (str): Reason why the run cannot continue. Empty if it can.

    Raises:
        ValueError: If the folder contains a run of this name with other settings.
    """

    def __init__(self, name: str, cfg: Config, seed: int, options: Namespace) -> None:
        init_default_scope(cfg.get('default_scope', 'mmaction'))
        self.name, self.seed, self.diverged = name, seed, ''
        self.cfg = study_config(cfg, seed, options.portion, options.videos, options.val_videos)
        self.num_parameters = sum(
            parameter.numel() for parameter in MODELS.build(without_node_classifier(self.cfg.model)).parameters()
        )
        self.folder: Path = options.out / f'{name}_seed{seed}'
        self.settings = json.dumps(_flat(self.cfg.to_dict()), indent=1, default=str)
        self.curve: list[dict[str, float]] = []
        if (self.folder / CHECKPOINT).exists():
            before, now = json.loads((self.folder / 'settings.json').read_text()), json.loads(self.settings)
            if changed := sorted(key for key in before | now if before.get(key) != now.get(key)):
                what = ', '.join(f'{key}={before.get(key)}, not {now.get(key)}' for key in changed[:3])
                raise ValueError(
                    f'{self.folder} contains a run with {what}; use the same settings, or choose another --out'
                )
            checkpoint = load_file(self.folder / CHECKPOINT)
            self.curve = checkpoint['message_hub']['runtime_info']['curve']

    @property
    def videos(self) -> int:
        """Number of videos seen in training."""
        return int(self.curve[-1]['videos']) if self.curve else 0

    @property
    def finished(self) -> bool:
        """Whether the run is complete or has diverged."""
        return self.videos >= self.cfg.train_cfg.max_iters * self.cfg.train_dataloader.batch_size or bool(self.diverged)

    def portion(self) -> None:
        """Train until the next evaluation is saved."""
        cfg = copy.deepcopy(self.cfg)
        cfg.work_dir, cfg.experiment_name = str(self.folder), self.folder.name
        cfg.train_dataloader.sampler.start = self.videos
        cfg.log_level = 'ERROR' if self.curve else 'WARNING'  # report keys of load_from that do not match only once
        if self.curve:
            cfg.resume, cfg.load_from = True, str(self.folder / CHECKPOINT)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / 'settings.json').write_text(self.settings)
        runner = build_runner(cfg)
        try:
            runner.train()
            self.curve = runner.message_hub.get_info('curve')
        except FloatingPointError as error:
            self.diverged = str(error)
        finally:  # models use the message hub created last, so each portion needs its own
            for handler in runner.logger.handlers:
                handler.close()
            for kind in (DefaultScope, MMLogger, MessageHub, type(runner.visualizer)):
                kind._instance_dict.pop(runner.experiment_name, None)


def study_config(cfg: Config, seed: int, portion: int, videos: int | None, val_videos: int) -> Config:
    """Convert a config to iteration-based training with the videos and evaluations of a study.

    Schedules in epochs are rescaled to the length of training. Schedules in iterations are not changed.

    Args:
        cfg (Config): The config.
        seed (int): Seed of weights and videos.
        portion (int): Iterations between evaluations.
        videos (int, optional): Number of training videos. None: the length of the config.
        val_videos (int): Number of validation videos.

    Returns:
        Config: The new config.

    Raises:
        ValueError: If the config uses a custom epoch loop, or the seed is out of range.
    """
    check_seed(seed)
    check_regions_attached(cfg, 'val')
    cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)  # yapf takes seconds per portion
    loop, loader = dict(cfg.train_cfg), cfg.train_dataloader
    epochs = loop.pop('max_epochs', None)
    if epochs and type_name(loop) not in (None, 'EpochBasedTrainLoop'):
        raise ValueError(
            f'train_cfg.type={loop["type"]!r} counts epochs, but studies train by iterations; use '
            'EpochBasedTrainLoop or an iteration-based loop'
        )
    if videos is None and epochs:
        videos = epochs * len(DATASETS.build(loader.dataset))
    max_iters = -(-videos // loader.batch_size) if videos else loop['max_iters']
    if epochs:
        loop = dict(type='IterBasedTrainLoop')
        _stretch(cfg.get('param_scheduler'), epochs, max_iters)
    cfg.train_cfg = loop | dict(max_iters=max_iters, val_begin=1, val_interval=portion)
    loader.sampler = dict(type='dyreg_mmaction.StreamSampler', seed=seed)
    cfg.val_dataloader.sampler = dict(type='dyreg_mmaction.StreamSampler', seed=0, num_videos=val_videos)
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    cfg.log_processor = dict(cfg.get('log_processor') or {}, by_epoch=False)
    cfg.default_hooks = dict(cfg.get('default_hooks') or {}, checkpoint=None)
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='dyreg_mmaction.PortionHook')]
    cfg.work_dir = None
    return cfg


def _stretch(schedulers: Any, epochs: int, max_iters: int) -> None:
    for scheduler in [schedulers] if isinstance(schedulers, dict) else schedulers or []:
        if 'Plateau' in str(type_name(scheduler)):  # in units of evaluations
            scheduler.setdefault('end', max_iters)
        elif scheduler.get('by_epoch', True):
            scheduler.update(convert_to_iter_based=True, epoch_length=max(1, round(max_iters / epochs)))
            scheduler.setdefault('end', epochs)


def _flat(settings: dict, path: str = '') -> dict[str, Any]:
    """Flatten nested settings to paths as in --cfg-options."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat.update(_flat(value, f'{path}{key}.') if isinstance(value, dict) else {path + key: value})
    return flat
