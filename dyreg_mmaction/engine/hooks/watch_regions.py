"""Log statistics of regions during training."""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from dyreg_mmaction.engine.region_numbers import dependence, region_numbers
from dyreg_mmaction.models.finding import region_plugins
from dyreg_mmaction.models.listening import listen
from dyreg_mmaction.models.norm import BatchStandardize
from dyreg_mmaction.models.recording import record_regions
from dyreg_mmaction.models.regions import DynamicRegions, StaticRegions
from dyreg_mmaction.models.size import positive_integer
from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import HOOKS

# fractions of the frame: regions that move less are static, nodes that spread less have collapsed
STATIC, COLLAPSED = 0.005, 0.02
# dependence of z on its input: 0.7 to 1 in trainings in which regions learn, 0.15 or less if they do not
CONSTANT = 0.2
RECOGNIZER, CLASSIFIER = "model.type='RegionRecognizer2D' (or 3D)", 'node_classifier=dict(weight=1.0)'
MIN_ITERS = 20  # before them regions are still near their initial positions


@HOOKS.register_module()
class WatchRegionsHook(Hook):
    """Log statistics of the learned regions of each plugin, and warn early if they are static or collapsed.

    The statistics are means over the clips of an iteration, as fractions of the frame, under the path of the plugin:

    - ``shift``: distance of centers from their initial position.
    - ``motion``: standard deviation of a center within its clip.
    - ``spread``: standard deviation of the centers of a frame around their mean.
    - ``half_size``: mean half size of regions.
    - ``residual``: mean absolute scale of the norm that adds nodes to the features, 0 at the start.
    - ``dependence``: how much the vectors that predict regions depend on the clip, see :func:`.dependence`; for
      :class:`.DynamicRegions`.

    They are recorded in the forward pass of training every ``interval`` iterations, and written to the log and all
    visualization backends. Values of single nodes, which region losses report, are written to the backends only.

    After the fraction ``warn_at`` of training, and at least 20 iterations, a warning names plugins whose regions no
    longer depend on the clip, do not move, or have collapsed to one point, and suggests a fix. Frozen sources do not
    warn. Batches of one clip are collected until two clips differ.

    Args:
        interval (int): Iterations between two measurements. More often than LoggerHook logs has no effect.
        warn_at (float): Fraction of training after which to warn, above 0 and at most 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, interval: int = 10, warn_at: float = 0.1) -> None:
        self.interval = positive_integer(interval, 'interval')
        if isinstance(warn_at, bool) or not isinstance(warn_at, int | float) or not 0 < warn_at <= 1:
            raise ValueError(f'warn_at is {warn_at!r}, but must be a fraction of training, above 0 and at most 1')
        self.warn_at = warn_at
        self.stack = ExitStack()
        self.record: dict[str, list[Regions]] = {}
        self.vectors: dict[str, Tensor] = {}
        self.seen: dict[str, list[tuple[Tensor, Tensor | None]]] = {}
        self.clips: list[Tensor] = []

    def before_train(self, runner: Runner) -> None:
        """Find the plugins, and disable the warning if its iteration has passed."""
        model = unwrap(runner.model)
        plugins = region_plugins(model).items()
        self.plugins = {path: plugin for path, plugin in plugins if list(plugin.get_submodule('regions').parameters())}
        self.warned = runner.iter > self._warn_iter(runner)
        self.seen, self.clips = {}, []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Record the forward pass if its regions are needed."""
        is_due = runner.iter == 0 or self.every_n_train_iters(runner, self.interval) or self._warns(runner)
        if self.plugins and is_due:
            self.record = self.stack.enter_context(record_regions(unwrap(runner.model)))
            for path, plugin in self.plugins.items():
                if isinstance(plugin.regions, DynamicRegions):
                    self.stack.callback(listen(plugin.regions.norm_out, self._keep(path)).remove)

    def _keep(self, path: str) -> Callable:
        """Return a forward hook that keeps its module's output until the end of the iteration."""

        def keep(_: nn.Module, __: tuple, vectors: Tensor) -> None:
            self.vectors[path] = vectors.detach()

        return keep

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Log the statistics."""
        self.stack.close()
        if not self.record:
            return
        collects = self._warns(runner)
        judges = collects and self._has_two_clips(data_batch)
        for path, plugin in self.plugins.items():
            if not self.record[path]:  # not used in this iteration
                continue
            regions, z = self.record[path][-1].normalized(), self.vectors.get(path)
            center = regions.center.detach()
            numbers = region_numbers(center, self._start(runner, path, regions))
            numbers['half_size'] = regions.half_size.detach().mean()
            del numbers['variation']
            if isinstance(norm := getattr(plugin, 'norm', None), nn.GroupNorm):
                numbers['residual'] = norm.weight.detach().abs().mean()
            if z is not None:
                numbers['dependence'] = dependence(z)
            for name, value in numbers.items():
                runner.message_hub.update_scalar(f'train/{path}/{name}', value.item())
            if collects:
                self.seen.setdefault(path, []).append((center, z))
            if judges:
                self._warn(runner, path, numbers['spread'].item())
        self.record, self.vectors = {}, {}
        if judges or collects and runner.iter >= self._warn_iter(runner) + self.interval:
            self.warned, self.seen, self.clips = True, {}, []
        info = runner.message_hub.runtime_info
        vectors = {key: value.tolist() for key, value in info.items() if isinstance(value, Tensor) and value.ndim == 1}
        for key, values in vectors.items():
            runner.message_hub.pop_info(key)
            runner.visualizer.add_scalars({f'{key}_{i}': each for i, each in enumerate(values)}, step=runner.iter + 1)

    def _start(self, runner: Runner, path: str, regions: Regions) -> Tensor:
        """Return the mean centers of the nodes in the first iteration, also after resuming."""
        key = f'{path}/start'
        if runner.message_hub.get_info(key) is None:
            runner.message_hub.update_info(key, regions.center.detach().mean((0, 1)).tolist())
        return regions.center.new_tensor(runner.message_hub.get_info(key))

    def _warn_iter(self, runner: Runner) -> int:
        return max(int(self.warn_at * runner.max_iters), MIN_ITERS) - 1

    def _warns(self, runner: Runner) -> bool:
        return not self.warned and runner.iter >= self._warn_iter(runner)

    def _has_two_clips(self, data_batch: dict | None) -> bool:
        """Return whether the batches since the first call contain two clips that differ."""
        clips = list((data_batch or {}).get('inputs', ()))
        if not all(isinstance(clip, Tensor) for clip in clips):
            return True  # unknown format
        if not self.clips:
            self.clips = [clip.clone() for clip in clips[:1]]
        return any(not torch.equal(clip, self.clips[0]) for clip in clips)

    def _warn(self, runner: Runner, path: str, spread: float) -> None:
        source = self.plugins[path].get_submodule('regions')
        if not any(parameter.requires_grad for parameter in source.parameters()):
            return
        shape = self.seen[path][-1][0].shape[1:]
        seen = [pair for pair in self.seen[path] if pair[0].shape[1:] == shape]
        center = torch.cat([each for each, _ in seen])  # (B,T,N,2)
        # over clips and frames, as regions may be constant within a clip, and over the clips at each frame
        moves, differs = (c.std(0, correction=0).norm(dim=-1).max().item() for c in (center.flatten(0, 1), center))
        model = unwrap(runner.model)
        classified = getattr(model, 'node_classifier', None) is not None
        after = f'after {runner.iter + 1} of {runner.max_iters} iterations'
        static = moves < STATIC and not isinstance(source, StaticRegions)  # static by definition
        if isinstance(source, DynamicRegions):
            depends = dependence(torch.cat([each for _, each in seen if each is not None])).item()
            if differs < STATIC and (depends < CONSTANT or not static):
                options = "standardize=True, zero_init='weight', predict_size=False, half_size=0.25"
                if isinstance(source.norm_out, BatchStandardize):
                    options = 'standardize=True, recurrent=False'  # z depends on the frame's index
                classifier = '' if classified else f'{RECOGNIZER} with {CLASSIFIER}, or '
                runner.logger.warning(
                    f'regions of plugin {path!r} no longer depend on the clip: {after} the vectors that predict them '
                    f'vary over clips and frames by {depends:.2f} of their size, and the largest standard deviation of '
                    f'a center over clips is {differs:.4f} of the frame; try {classifier}regions=dict('
                    f"type='DynamicRegions', {options})"
                )
                return
        if static:
            losses = "region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)]"
            advice = f'{RECOGNIZER} with ' + (losses if classified else f'{CLASSIFIER} or {losses}')
            if getattr(model, 'region_losses', None):
                advice = 'a larger weight of region_losses'
            if hasattr(source, 'predictor'):
                advice += ', or a higher learning rate of regions.predictor.alpha'
            runner.logger.warning(
                f'regions of plugin {path!r} do not move: {after} the largest standard deviation of a center over '
                f'clips and frames is {moves:.4f} of the frame; try {advice}'
            )
        elif len(center[0, 0]) > 1 and spread < COLLAPSED:
            runner.logger.warning(
                f'all nodes of plugin {path!r} have collapsed to one point: {after} their centers spread by '
                f"{spread:.4f} of the frame; try regions=dict(type='DynamicRegions', reference='grid'), or "
                "region_losses=[..., dict(type='CenterRepulsion', weight=0.3)] of RegionRecognizer2D (or 3D)"
            )
