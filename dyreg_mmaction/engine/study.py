"""One run of a study: a config trained with one seed, in portions that are either done or not."""

import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor
from torch.utils.data import DataLoader

from dyreg_mmaction.models.recording import record_regions, region_sources
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import DATASETS, MODELS


class StudyRun:
    """Model, optimiser and curve of one config and seed; all of them in one file after each portion.

    Videos come in an endless stream that depends on the seed only. Random numbers are re-seeded at each portion, so a
    run that was interrupted ends like one that was not. The learning rate is constant; schedulers are not used.

    Args:
        name (str): Name of the run.
        cfg (Config): With ``model``, ``train_dataloader``, ``val_dataloader``, ``val_evaluator``, ``optim_wrapper`` and
            perhaps ``load_from``.
        seed (int): Seed of weights and videos.
        folder (Path): Where the file is, or will be.
        val_videos (int): Number of videos, evenly spread over the validation set, that the model is evaluated on.

    Attributes:
        curve (list[dict[str, float]]): ``videos``, ``seconds``, ``loss``, the metrics, and with regions ``shift`` and
            ``motion``, see :func:`region_numbers`, after each portion.

    Raises:
        ValueError: If the folder holds a run of this name from another config, or one evaluated on other videos.
        FloatingPointError: By ``portion``, if the loss is not finite any more; nothing of the portion is kept.
    """

    def __init__(self, name: str, cfg: Config, seed: int, folder: Path, val_videos: int) -> None:
        init_default_scope(cfg.get('default_scope', 'mmaction'))
        self.name, self.cfg, self.seed, self.val_videos = name, cfg, seed, val_videos
        self.file = folder / f'{name}_seed{seed}.pth'
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        torch.manual_seed(seed)
        self.model = MODELS.build(cfg.model)
        self.model.init_weights()
        if cfg.get('load_from'):
            load_checkpoint(self.model, cfg.load_from, map_location='cpu', logger='silent')
        self.model.to(self.device)
        self.optim_wrapper = build_optim_wrapper(self.model, cfg.optim_wrapper)
        self.iteration, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        self.start: dict[str, Tensor] = {}
        if self.file.exists():
            self._load()

    @property
    def num_parameters(self) -> int:
        """Number of parameters of the model."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def portion(self, iterations: int) -> dict[str, float]:
        """Train for so many iterations, evaluate, save; the new point of the curve."""
        began = time.monotonic()
        np.random.seed(self.seed * 100_003 + self.iteration)
        torch.manual_seed(self.seed * 100_003 + self.iteration)
        if not self.start and region_sources(self.model):
            self.start = {path: regions.center.mean((0, 1)) for path, regions in self._evaluate()[1].items()}
        loss = self._train(iterations)
        self.iteration += iterations
        metrics, regions = self._evaluate()
        self.seconds += time.monotonic() - began
        videos = self.iteration * self.cfg.train_dataloader.batch_size
        self.curve.append(dict(videos=videos, seconds=self.seconds, loss=loss, **metrics))
        self.curve[-1].update(region_numbers(regions, self.start))
        self._save()
        return self.curve[-1]

    def _train(self, iterations: int) -> float:
        loader = self.cfg.train_dataloader
        dataset = DATASETS.build(loader.dataset)
        stream = video_stream(len(dataset), self.seed, self.iteration * loader.batch_size)
        self.model.train()
        losses = [
            self.model.train_step(batch, self.optim_wrapper)['loss'].detach()
            for batch in self._batches(dataset, loader, list(islice(stream, iterations * loader.batch_size)))
        ]
        loss = torch.stack(losses).mean().item()
        if not np.isfinite(loss):
            raise FloatingPointError(f'loss of {self.name}, seed {self.seed}, is {loss}; lower its learning rate')
        return loss

    @torch.no_grad()
    def _evaluate(self) -> tuple[dict[str, float], dict[str, Regions]]:
        """Metrics, and the regions of all videos by the path of their plugin."""
        loader = self.cfg.val_dataloader
        dataset = DATASETS.build(loader.dataset)
        count = min(self.val_videos, len(dataset))
        evaluator = Evaluator(self.cfg.val_evaluator)
        evaluator.dataset_meta = dataset.metainfo
        records: dict[str, list[Regions]] = {path: [] for path in region_sources(self.model)}
        self.model.eval()
        for batch in self._batches(dataset, loader, [i * len(dataset) // count for i in range(count)]):
            if records:
                with record_regions(self.model) as record:
                    outputs = self.model.val_step(batch)
                for path, regions in record.items():
                    records[path] += [r._replace(center=r.center.cpu(), half_size=r.half_size.cpu()) for r in regions]
            else:
                outputs = self.model.val_step(batch)
            evaluator.process(data_samples=outputs, data_batch=batch)
        metrics = {key: float(value) for key, value in evaluator.evaluate(count).items()}
        return metrics, {path: _concatenate(regions) for path, regions in records.items()}

    def _batches(self, dataset, loader: dict, indices: list[int]) -> Iterable[dict]:
        return DataLoader(
            dataset,
            batch_size=loader['batch_size'],
            sampler=indices,
            num_workers=loader.get('num_workers', 0),
            collate_fn=lambda samples: {key: [sample[key] for sample in samples] for key in samples[0]},
            pin_memory=self.device.type == 'cuda',
        )

    def _save(self) -> None:
        state = dict(
            config=self._signature(),
            val_videos=self.val_videos,
            iteration=self.iteration,
            seconds=self.seconds,
            curve=self.curve,
            start=self.start,
            state_dict=self.model.state_dict(),
            optimizer=self.optim_wrapper.state_dict(),
        )
        new = self.file.with_suffix('.new')
        torch.save(state, new)
        os.replace(new, self.file)  # there is never half a file

    def _load(self) -> None:
        state = torch.load(self.file, map_location=self.device, weights_only=True)
        if state['config'] != self._signature():
            raise ValueError(f'{self.file} is of another config of the same name; choose another folder with --out')
        if state.get('val_videos', self.val_videos) != self.val_videos:
            raise ValueError(
                f'{self.file} was evaluated on {state["val_videos"]} videos, not {self.val_videos}, and a curve is of '
                f'one set; go on with --val-videos {state["val_videos"]}, or choose another folder with --out'
            )
        self.model.load_state_dict(state['state_dict'])
        self.optim_wrapper.load_state_dict(state['optimizer'])
        self.iteration, self.seconds = state['iteration'], state['seconds']
        self.curve, self.start = state['curve'], {path: start.cpu() for path, start in state['start'].items()}

    def _signature(self) -> str:
        """What makes the run what it is."""
        keys = ('model', 'train_dataloader', 'val_dataloader', 'val_evaluator', 'optim_wrapper', 'load_from')
        return Config({key: self.cfg.get(key) for key in keys}).dump()


def video_stream(length: int, seed: int, start: int = 0) -> Iterator[int]:
    """Endless indices of videos, each epoch a permutation of its own, from the ``start``-th on."""
    epoch, skipped = divmod(start, length)
    while True:
        order = torch.randperm(length, generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
        yield from order[skipped:].tolist()
        epoch, skipped = epoch + 1, 0


def region_numbers(regions: dict[str, Regions], start: dict[str, Tensor]) -> dict[str, float]:
    """What has become of the regions, in cells, as the mean over nodes and plugins; {} where there are none.

    ``shift``: mean distance of the centres from where they were at the start. ``motion``: how far they move with the
    content, as the root of the variance of the centre over videos and frames.
    """
    if not regions:
        return {}
    shift = [(r.center - start[path]).norm(dim=-1).mean() for path, r in regions.items()]
    motion = [r.center.flatten(0, 1).var(0, correction=0).sum(-1).sqrt().mean() for r in regions.values()]
    return dict(shift=torch.stack(shift).mean().item(), motion=torch.stack(motion).mean().item())


def _concatenate(regions: list[Regions]) -> Regions:
    center, half_size, (map_size, *_) = zip(*regions, strict=True)
    return Regions(torch.cat(center), torch.cat(half_size), map_size)
