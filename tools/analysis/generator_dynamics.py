"""Measure why learned regions stop depending on the clip: train the generator of a config with and without changes.

Example:
    python tools/analysis/generator_dynamics.py configs/multisyncmnist/small/cnn_dyreg-released.py --seeds 0 1 2 \
        --iterations 250 --out results/generator_dynamics.json --figure docs/figures/generator_dynamics.png

For each form of DynamicRegions and each seed the first iterations of a training are recorded: how much the vectors z
depend on the clip, the variation of the centers, the half sizes, the class loss, and the gradient norm of each part of
the generator before clipping. The JSON file contains all curves, the PNG file next to it a plot.
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.cli.launch import build_runner, load_config
from dyreg_mmaction.engine.region_numbers import dependence
from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.models.finding import region_sources
from dyreg_mmaction.models.recording import record_regions
from dyreg_mmaction.registry import HOOKS
from dyreg_mmaction.study import study_config

STANDARDIZED, ZERO_WEIGHT, BATCH_NORM = dict(standardize=True), dict(zero_init='weight'), dict(feature_norm='batch')
LIMITED, FIXED = dict(initial_half_size=0.2, max_size_ratio=2.0), dict(predict_size=False, half_size=0.2)
NODES_NEEDED = dict(
    residual_scale=1.0, skip_dropout=0.5, position_gradient=False
)  # options of DyRegGNN, the others are of DynamicRegions
COMBINED = STANDARDIZED | ZERO_WEIGHT | FIXED
FORMS = {
    'released': {},
    'standardized z': STANDARDIZED,
    'W = 0': ZERO_WEIGHT,
    'limited size': LIMITED,
    'fixed size': FIXED,
    'batch norm in f': BATCH_NORM,
    'nodes needed': NODES_NEEDED,
    'standardized z, W = 0, limited size': STANDARDIZED | ZERO_WEIGHT | LIMITED,
    'standardized z, W = 0, fixed size': COMBINED,
    'all changes, no GRU': COMBINED | BATCH_NORM | NODES_NEEDED | dict(recurrent=False),
}
PARTS = {'f': 'heads.0', 'g': 'heads.1', 'GRU': 'rnn', 'W': 'predictor.fc', 'alpha': 'predictor.alpha'}
PLOTTED = {
    'dependence': 'dependence of z on the clip',
    'variation': 'std of centers (frames)',
    'half_size': 'half size',
}


@HOOKS.register_module(force=True)
class RecordGenerator(Hook):
    """Record the generator of the only plugin every ``interval`` iterations.

    Args:
        interval (int): Iterations between two points.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.curve: list[dict[str, float]] = []

    def before_train(self, runner: Runner) -> None:
        """Listen to the generator and its gradients."""
        (source,) = region_sources(runner.model).values()
        self.vectors: list[torch.Tensor] = []
        source.get_submodule('norm_out').register_forward_hook(lambda _, __, z: self.vectors.append(z.detach()))
        self.squares = dict.fromkeys(PARTS, 0.0)
        for part, path in PARTS.items():
            for name, parameter in source.named_parameters():
                if name.startswith(path):
                    parameter.register_post_accumulate_grad_hook(lambda p, part=part: self._add(part, p))

    def _add(self, part: str, parameter: nn.Parameter) -> None:
        assert parameter.grad is not None
        self.squares[part] += parameter.grad.square().sum().item()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Start to record the regions of this iteration."""
        self.vectors.clear()
        self.squares = dict.fromkeys(PARTS, 0.0)
        self.recording = record_regions(runner.model)
        self.record = self.recording.__enter__()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Append a point to the curve."""
        self.recording.__exit__(None, None, None)
        if runner.iter % self.interval:
            return
        (regions,) = next(iter(self.record.values()))
        regions = regions.normalized()
        point = dict(iteration=runner.iter, loss=(outputs or {})['loss'].item())
        point['dependence'] = dependence(self.vectors[0]).item()
        point['variation'] = regions.center.detach().flatten(0, 1).std(0).norm(dim=-1).mean().item()
        point['half_size'] = regions.half_size.detach().mean().item()
        point |= {f'gradient of {part}': square**0.5 for part, square in self.squares.items()}
        self.curve.append({key: value if key == 'iteration' else float(f'{value:.4g}') for key, value in point.items()})


def parse_args() -> Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config with one plugin that has DynamicRegions')
    parser.add_argument('--forms', nargs='+', default=list(FORMS), choices=list(FORMS), metavar='FORM', help='forms')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of each form')
    parser.add_argument('--iterations', type=int, default=1000, help='iterations of each training')
    parser.add_argument('--interval', type=int, default=10, help='iterations between two points')
    parser.add_argument('--out', type=Path, default=Path('generator_dynamics.json'), help='JSON file to write')
    parser.add_argument('--figure', type=Path, help='image to write; by default next to the JSON file')
    args = parser.parse_args()
    if min(args.iterations, args.interval) < 1:
        parser.error('--iterations and --interval must be at least 1')
    return args


def main() -> None:
    """Record the trainings of the command line."""
    args = parse_args()
    torch.set_num_threads(1)
    about = dict(
        command=shlex.join(['python', *sys.argv]),
        machine=f'{platform.machine()}, one thread',
        torch=torch.__version__,
        dyreg_mmaction=dyreg_mmaction.__version__,
    )
    runs: list[dict] = []
    for seed in args.seeds:
        for form in args.forms:
            start = time.process_time()
            curve = record(args, FORMS[form], seed)
            runs.append(dict(form=form, seed=seed, seconds=round(time.process_time() - start), curve=curve))
            print(f'{form}, seed {seed}: ' + ', '.join(f'{k} {v:.3g}' for k, v in curve[-1].items()), flush=True)
            with atomic_write(args.out) as file:
                file.write_text(json.dumps(dict(about=about, runs=runs)))
    plot(runs, args.figure or args.out.with_suffix('.png'))


def record(args: Namespace, options: dict, seed: int) -> list[dict[str, float]]:
    """Train a form and return its curve."""
    with tempfile.TemporaryDirectory() as work_dir:
        cfg = load_config(Namespace(config=args.config, cfg_options=None, work_dir=work_dir, launcher='none'))
        batch = cfg.train_dataloader.batch_size
        cfg = study_config(cfg, seed, args.iterations, args.iterations * batch, 1)
        cfg.custom_hooks = [dict(type='RecordGenerator', interval=args.interval)]
        cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
        cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=args.iterations)
        cfg.work_dir, cfg.log_level, cfg.experiment_name = work_dir, 'ERROR', work_dir
        change(cfg.model, 'DynamicRegions', {k: v for k, v in options.items() if k not in NODES_NEEDED})
        change(cfg.model, 'DyRegGNN', {k: v for k, v in options.items() if k in NODES_NEEDED})
        runner = build_runner(cfg)
        runner.train()
        return next(hook for hook in runner.hooks if isinstance(hook, RecordGenerator)).curve


def change(model: Any, kind: str, options: dict) -> None:
    """Set options of every module of a type in the config of a model."""
    for value in model.values() if isinstance(model, dict) else model:
        if isinstance(value, dict | list):
            change(value, kind, options)
    if isinstance(model, dict) and model.get('type') == kind:
        model.update(options)


def plot(runs: list[dict], path: Path) -> None:
    """Plot the means over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), layout='constrained')
    keys = PLOTTED | {key: key for key in ('loss', 'gradient of f', 'gradient of W')}
    forms = list(dict.fromkeys(run['form'] for run in runs))
    for axes, (key, title) in zip(figure.subplots(2, 3).flat, keys.items(), strict=True):
        for form in forms:
            curves = [run['curve'] for run in runs if run['form'] == form]
            values = np.array([[point[key] for point in curve] for curve in curves])
            x = [point['iteration'] for point in curves[0]]
            (line,) = axes.plot(x, values.mean(0), label=form)
            axes.fill_between(x, values.min(0), values.max(0), alpha=0.15, color=line.get_color())
        axes.set(xlabel='iteration', title=title)
        if key.startswith('gradient') or key == 'half_size':
            axes.set_yscale('log')
    axes.legend(fontsize='small')
    with atomic_write(path) as file:
        figure.savefig(file, dpi=100, format='png')


if __name__ == '__main__':
    main()
