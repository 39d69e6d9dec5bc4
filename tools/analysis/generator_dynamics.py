"""Measure why learned regions stop depending on the clip: train the generator of a config with and without changes.

Example:
    python tools/analysis/generator_dynamics.py configs/multisyncmnist/small/cnn_dyreg-released.py --seeds 0 1 2 \
        --out results/generator_dynamics.json --figure docs/figures/generator_dynamics.png

For each form of DynamicRegions and each seed the first iterations of a training are recorded: how much the vectors z
depend on the clip, the variation of the centers, the half sizes, the class loss, and the gradient norm of each part of
the generator before clipping; then accuracy and distances on test videos. The JSON file contains all curves and the
table of means, the PNG file a plot. The same command continues an interrupted measurement.
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
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from dyreg_mmaction.cli.launch import build_runner, exit_with_message, load_config
from dyreg_mmaction.engine.region_numbers import dependence
from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.models.finding import region_sources
from dyreg_mmaction.models.recording import record_regions
from dyreg_mmaction.models.regions import DynamicRegions
from dyreg_mmaction.registry import HOOKS
from dyreg_mmaction.study import study_config

# Changes by the option they set; lr_mult is a factor of the generator's learning rate.
KINDS = {
    'DyRegGNN': ('residual_scale', 'skip_dropout', 'position_gradient'),
    'optimizer': ('lr_mult',),
    'recognizer': ('node_classifier',),
    'DynamicRegions': (
        *('standardize', 'zero_init', 'initial_half_size', 'max_size_ratio', 'predict_size', 'half_size'),
        *('feature_norm', 'recurrent'),
    ),
}
STANDARDIZED, ZERO_WEIGHT, BATCH_NORM = dict(standardize=True), dict(zero_init='weight'), dict(feature_norm='batch')
LIMITED, FIXED = dict(initial_half_size=0.2, max_size_ratio=2.0), dict(predict_size=False, half_size=0.2)
SCALED, NODES_ONLY = dict(residual_scale=1.0), dict(residual_scale=1.0, skip_dropout=0.5)
NO_POSITION, NO_GRU = dict(position_gradient=False), dict(recurrent=False)
CLASSIFIER = dict(node_classifier=dict(weight=1.0))
COMBINED = STANDARDIZED | ZERO_WEIGHT | FIXED
ALL = COMBINED | BATCH_NORM | NODES_ONLY | NO_POSITION | NO_GRU
FORMS = {
    'released': {},
    'standardized z': STANDARDIZED,
    'W = 0': ZERO_WEIGHT,
    'limited size': LIMITED,
    'fixed size': FIXED,
    'learning rate x 0.1': dict(lr_mult=0.1),
    'learning rate x 10': dict(lr_mult=10.0),
    'residual scale 1': SCALED,
    'nodes only in half of the clips': NODES_ONLY,
    'no position gradient': NO_POSITION,
    'batch norm in f': BATCH_NORM,
    'no GRU': NO_GRU,
    'standardized z, W = 0, limited size': STANDARDIZED | ZERO_WEIGHT | LIMITED,
    'standardized z, W = 0, fixed size': COMBINED,
    'all': ALL,
    'all, limited instead of fixed size': {k: v for k, v in ALL.items() if k not in FIXED} | LIMITED,
    'all but standardized z': {k: v for k, v in ALL.items() if k not in STANDARDIZED},
    'all but W = 0': {k: v for k, v in ALL.items() if k not in ZERO_WEIGHT},
    'all but nodes only': {k: v for k, v in ALL.items() if k not in NODES_ONLY},
    'all but no position gradient': {k: v for k, v in ALL.items() if k not in NO_POSITION},
    'all but batch norm in f': {k: v for k, v in ALL.items() if k not in BATCH_NORM},
    'all but no GRU': {k: v for k, v in ALL.items() if k not in NO_GRU},
    'node classifier': CLASSIFIER,
    'node classifier, fixed size': CLASSIFIER | FIXED,
    'node classifier, all but nodes only': CLASSIFIER | {k: v for k, v in ALL.items() if k not in NODES_ONLY},
}
PARTS = {'f': 'heads.0', 'g': 'heads.1', 'GRU': 'rnn', 'W': 'predictor.fc', 'alpha': 'predictor.alpha'}
PLOTTED = {
    'dependence': 'dependence of z on the clip',
    'variation': 'std of centers (frames)',
    'half_size': 'half size',
    'loss': 'loss',
    'gradient of f': 'gradient norm of f',
    'gradient of W': 'gradient norm of W',
}


@HOOKS.register_module(force=True)
class RecordGenerator(Hook):
    """Record the generator of the only plugin every ``interval`` iterations, and the metrics of the validation.

    Args:
        interval (int): Iterations between two points.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.curve: dict[str, list[float]] = {}
        self.metrics: dict[str, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Listen to the generator and its gradients."""
        sources = list(region_sources(runner.model).values())
        if [type(source) for source in sources] != [DynamicRegions]:
            names = ', '.join(type(source).__name__ for source in sources) or 'none'
            raise ValueError(
                f'the config must have one plugin with DynamicRegions, but its region sources are: {names}'
            )
        (source,) = sources
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
        if runner.iter % self.interval and runner.iter + 1 < runner.max_iters:
            return
        (regions,) = next(iter(self.record.values()))
        regions = regions.normalized()
        point = dict(iteration=runner.iter, loss=(outputs or {})['loss'].item())
        point['dependence'] = dependence(self.vectors[0]).item()
        point['variation'] = regions.center.detach().flatten(0, 1).std(0).norm(dim=-1).mean().item()
        point['half_size'] = regions.half_size.detach().mean().item()
        point |= {f'gradient of {part}': square**0.5 for part, square in self.squares.items()}
        for key, value in point.items():
            self.curve.setdefault(key, []).append(float(f'{value:.4g}'))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Keep the metrics."""
        self.metrics = {key: float(f'{value:.4g}') for key, value in (metrics or {}).items()}


def parse_args() -> Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config with one plugin that has DynamicRegions')
    parser.add_argument('--forms', nargs='+', default=list(FORMS), choices=list(FORMS), metavar='FORM', help='forms')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of each form')
    parser.add_argument('--iterations', type=int, default=1000, help='iterations of each training')
    parser.add_argument('--interval', type=int, default=20, help='iterations between two points')
    parser.add_argument('--val-videos', type=int, default=500, help='test videos after each training')
    parser.add_argument('--out', type=Path, default=Path('generator_dynamics.json'), help='JSON file to write')
    parser.add_argument('--figure', type=Path, help='image to write; by default next to the JSON file')
    args = parser.parse_args()
    if min(args.iterations, args.interval, args.val_videos) < 1:
        parser.error('--iterations, --interval and --val-videos must be at least 1')
    for name in ('seeds', 'forms'):
        if len(set(getattr(args, name))) < len(getattr(args, name)):
            parser.error(f'--{name} must differ from each other')
    return args


def main() -> None:
    """Record the trainings of the command line that the output file does not have yet."""
    args = parse_args()
    torch.set_num_threads(1)
    keys = ('iterations', 'interval', 'val_videos')
    settings = dict(config=args.config.name) | {key: getattr(args, key) for key in keys}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    runs = runs_before(args.out, settings)
    done = {(run['form'], run['seed']) for run in runs}
    for seed in args.seeds:
        for form in args.forms:
            if (form, seed) not in done:
                run = record(args, form, seed)
                print(
                    f'{form}, seed {seed}: ' + ', '.join(f'{k} {v[-1]:.3g}' for k, v in run['curve'].items()),
                    flush=True,
                )
                runs.append(run)
                save(args.out, settings, runs)
    plot([run for run in runs if run['form'] in args.forms], args.figure or args.out.with_suffix('.png'))


def runs_before(path: Path, settings: dict) -> list[dict]:
    """Return the runs of an earlier, perhaps interrupted, measurement.

    Raises:
        SystemExit: If they have other settings, or the file is damaged.
    """
    if not path.exists():
        return []
    try:
        before = json.loads(path.read_text())
    except ValueError as error:
        raise SystemExit(f'{path} is not valid JSON: {error}; choose another --out') from None
    if before.get('settings') != settings:
        raise SystemExit(f'{path} was measured with {before.get("settings")}, not {settings}; choose another --out')
    return before['runs']


def save(path: Path, settings: dict, runs: list[dict]) -> None:
    """Write curves and table as a file of results/, see tools/make_results.py."""
    seeds = sorted({run['seed'] for run in runs})
    content = dict(
        title='What each option changes in the region generator',
        command=shlex.join(['python', *sys.argv]),
        seeds=', '.join(map(str, seeds)),
        machine=f'one core, {platform.machine()}, PyTorch {torch.__version__.partition("+")[0]}, CPU',
        time=f'{len(runs)} runs, {np.mean([run["seconds"] for run in runs]):.0f} s of CPU each',
        setting=f'not a table of the paper: {settings["config"]}, {settings["iterations"]} iterations, then '
        f'{settings["val_videos"]} test videos; values of the last training batch; half sizes and gradients: range',
        settings=settings,
        **table(runs),
        runs=runs,
    )
    with atomic_write(path) as file:
        file.write_text(json.dumps(content))


def table(runs: list[dict]) -> dict[str, list]:
    """Return columns, and one row per form."""
    rows = {form: columns([run for run in runs if run['form'] == form]) for form in form_names(runs)}
    names = ['form', *next(iter(rows.values()))] if rows else ['form']
    return dict(columns=names, rows=[[form, *cells.values()] for form, cells in rows.items()])


def columns(runs: list[dict]) -> dict[str, str]:
    """Return the cells of the runs of one form by column."""
    curves = [run['curve'] for run in runs]
    cells = {
        'dependence at the start': spread([curve['dependence'][0] for curve in curves]),
        'lowest': spread([min(curve['dependence']) for curve in curves]),
        'at the end': spread([curve['dependence'][-1] for curve in curves]),
        'half size': span([curve['half_size'][-1] for curve in curves], '.2g'),
        'std of centers': spread([curve['variation'][-1] for curve in curves], 3),
        'gradient norm of f': span([curve['gradient of f'][-1] for curve in curves], '.0e'),
    }
    metrics = [run['metrics'] for run in runs]
    if 'acc/top1' in metrics[0]:
        cells['top-1, %'] = spread([100 * each['acc/top1'] for each in metrics], 1)
    if 'object/dist_other' in metrics[0]:
        cells['distance ratio'] = spread([each['object/dist_r'] / each['object/dist_other'] for each in metrics])
    return cells


def spread(values: list[float], decimals: int = 2) -> str:
    """Return mean and standard deviation."""
    deviation = f' ± {np.std(values, ddof=1):.{decimals}f}' if len(values) > 1 else ''
    return f'{np.mean(values):.{decimals}f}{deviation}'


def span(values: list[float], form: str) -> str:
    """Return minimum and maximum, for values of any magnitude."""
    return ' to '.join(dict.fromkeys(f'{value:{form}}' for value in (min(values), max(values))))


def form_names(runs: list[dict]) -> list[str]:
    """Return the forms in the order of their definition."""
    return [form for form in FORMS if any(run['form'] == form for run in runs)]


def record(args: Namespace, form: str, seed: int) -> dict[str, Any]:
    """Train a form and return its curve and metrics."""
    start = time.process_time()
    with tempfile.TemporaryDirectory() as work_dir:
        cfg = load_config(Namespace(config=args.config, cfg_options=None, work_dir=work_dir, launcher='none'))
        videos = args.iterations * cfg.train_dataloader.batch_size
        cfg = study_config(cfg, seed, args.iterations, videos, args.val_videos)
        cfg.custom_hooks[-1] = dict(type='RecordGenerator', interval=args.interval)  # instead of PortionHook
        cfg.work_dir, cfg.log_level, cfg.experiment_name = work_dir, 'ERROR', work_dir
        apply(cfg, FORMS[form])
        runner = build_runner(cfg)
        runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, RecordGenerator))
    seconds = round(time.process_time() - start)
    return dict(form=form, seed=seed, seconds=seconds, metrics=hook.metrics, curve=hook.curve)


def apply(cfg: Config, options: dict) -> None:
    """Set the options of a form.

    Raises:
        SystemExit: If the optimizer constructor has no learning rate by name.
    """
    for module in ('DyRegGNN', 'DynamicRegions'):
        change(cfg.model, module, {key: value for key, value in options.items() if key in KINDS[module]})
    if 'node_classifier' in options:
        kind = cfg.model.type.removeprefix('Region')  # Recognizer2D or Recognizer3D
        cfg.model.update(type=f'Region{kind}', node_classifier=options['node_classifier'])
    if 'lr_mult' in options:
        constructor = cfg.optim_wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
        if constructor != 'DefaultOptimWrapperConstructor':
            raise SystemExit(f'{constructor} has no learning rate by name; use a config with the default constructor')
        factor = dict(lr_mult=options['lr_mult'])
        cfg.optim_wrapper.paramwise_cfg = dict(custom_keys={'.regions.': factor})


def change(model: Any, kind: str, options: dict) -> None:
    """Set options of every module of a type in the config of a model."""
    for value in model.values() if isinstance(model, dict) else model:
        if isinstance(value, dict | list):
            change(value, kind, options)
    if isinstance(model, dict) and model.get('type') == kind:
        model.update(options)


def plot(runs: list[dict], path: Path) -> None:
    """Plot means and ranges over the seeds of the forms that were asked for."""
    from matplotlib.figure import Figure

    logarithmic = ('half_size', 'gradient of f', 'gradient of W')
    figure = Figure(figsize=(15, 9), layout='constrained')
    for axes, (key, title) in zip(figure.subplots(2, 3).flat, PLOTTED.items(), strict=True):
        for index, form in enumerate(form_names(runs)):
            curves = [run['curve'] for run in runs if run['form'] == form]
            values = np.array([curve[key] for curve in curves])
            values[values == 0] = np.nan if key in logarithmic else 0  # a gradient of 0 has no logarithm
            style = dict(color=f'C{index % 10}', linestyle=('-', '--', ':')[index // 10])
            axes.plot(curves[0]['iteration'], values.mean(0), label=form, **style)
            axes.fill_between(curves[0]['iteration'], values.min(0), values.max(0), alpha=0.1, color=style['color'])
        axes.set(xlabel='iteration', title=title)
        if key in logarithmic and any(np.nanmax(line.get_ydata(), initial=0) > 0 for line in axes.lines):
            axes.set_yscale('log')
    figure.legend(*axes.get_legend_handles_labels(), loc='outside lower center', ncols=4, fontsize='small')
    with atomic_write(path) as file:
        figure.savefig(file, dpi=100, format='png')


if __name__ == '__main__':
    with exit_with_message():
        main()
