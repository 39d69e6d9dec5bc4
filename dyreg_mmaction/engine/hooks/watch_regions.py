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
from dyreg_mmaction.models.recording import record_regions
from dyreg_mmaction.models.regions import DynamicRegions, StaticRegions
from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import HOOKS

# fractions of the frame: regions that move less are static, nodes that spread less have collapsed
STATIC, COLLAPSED = 0.005, 0.02
CONSTANT = (
    0.2  # dependence of z on its input: 0.7 to 1 in trainings in which regions learn, 0.15 or less if they do not
)


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

    After the fraction ``warn_at`` of training a warning names plugins whose regions no longer depend on the clip, do
    not move, or have collapsed to one point, and suggests a fix.

    Args:
        interval (int): Iterations between two measurements. More often than LoggerHook logs has no effect.
        warn_at (float): Fraction of training after which to warn, in 0..1.
    """

    def __init__(self, interval: int = 10, warn_at: float = 0.1) -> None:
        self.interval = interval
        self.warn_at = warn_at
        self.stack = ExitStack()
        self.record: dict[str, list[Regions]] = {}
        self.dependence: dict[str, Tensor] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the plugins, and disable the warning if its iteration has passed."""
        model = unwrap(runner.model)
        plugins = region_plugins(model).items()
        self.plugins = {path: plugin for path, plugin in plugins if list(plugin.get_submodule('regions').parameters())}
        self.warned = runner.iter > self._warn_iter(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Record the forward pass if its regions are needed."""
        is_due = runner.iter == 0 or self.every_n_train_iters(runner, self.interval) or self._warns(runner)
        if self.plugins and is_due:
            self.record = self.stack.enter_context(record_regions(unwrap(runner.model)))
            for path, plugin in self.plugins.items():
                if isinstance(plugin.regions, DynamicRegions):
                    self.stack.callback(listen(plugin.regions.norm_out, self._measure(path)).remove)

    def _measure(self, path: str) -> Callable:
        """Return a forward hook that measures the dependence of its module's output on the clip."""

        def measure(_: nn.Module, __: tuple, vectors: Tensor) -> None:
            self.dependence[path] = dependence(vectors.detach())

        return measure

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Log the statistics."""
        self.stack.close()
        if not self.record:
            return
        for path, plugin in self.plugins.items():
            regions = self.record[path][-1].normalized()
            numbers = region_numbers(regions.center.detach(), self._start(runner, path, regions))
            numbers['half_size'] = regions.half_size.detach().mean()
            del numbers['variation']
            if isinstance(norm := getattr(plugin, 'norm', None), nn.GroupNorm):
                numbers['residual'] = norm.weight.detach().abs().mean()
            if path in self.dependence:
                numbers['dependence'] = self.dependence[path]
            for name, value in numbers.items():
                runner.message_hub.update_scalar(f'train/{path}/{name}', value.item())
            if self._warns(runner):
                self._warn(runner, path, regions, numbers)
        self.record, self.dependence = {}, {}
        self.warned = self.warned or self._warns(runner)
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
        return max(int(self.warn_at * runner.max_iters) - 1, 0)

    def _warns(self, runner: Runner) -> bool:
        return not self.warned and runner.iter == self._warn_iter(runner)

    def _warn(self, runner: Runner, path: str, regions: Regions, numbers: dict[str, Tensor]) -> None:
        center = regions.center.detach().flatten(
            0, 1
        )  # over clips and frames, as regions may be constant within a clip
        moves = center.std(0, correction=0).norm(dim=-1).max().item()
        after = f'after {runner.iter + 1} of {runner.max_iters} iterations'
        source = self.plugins[path].regions
        static = moves < STATIC and not isinstance(source, StaticRegions)  # static by definition
        if static and (depends := numbers.get('dependence', torch.ones(())).item()) < CONSTANT:
            runner.logger.warning(
                f'regions of plugin {path!r} no longer depend on the clip: {after} the vectors that predict them vary '
                f"over clips and frames by {depends:.2f} of their size; try regions=dict(type='DynamicRegions', "
                "standardize=True, zero_init='weight', predict_size=False, half_size=0.25)"
            )
        elif static:
            advice = (
                'a larger weight of region_losses'
                if getattr(unwrap(runner.model), 'region_losses', None)
                else "model.type='RegionRecognizer2D' (or 3D) with "
                "region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)]"
            )
            if hasattr(source, 'predictor'):
                advice += ', or a higher learning rate of regions.predictor.alpha'
            runner.logger.warning(
                f'regions of plugin {path!r} do not move: {after} the largest standard deviation of a center over '
                f'clips and frames is {moves:.4f} of the frame; try {advice}'
            )
        elif len(regions.center[0, 0]) > 1 and (spread := numbers['spread'].item()) < COLLAPSED:
            runner.logger.warning(
                f'all nodes of plugin {path!r} have collapsed to one point: {after} their centers spread by '
                f"{spread:.4f} of the frame; try regions=dict(type='DynamicRegions', reference='grid'), or "
                "region_losses=[..., dict(type='CenterRepulsion', weight=0.3)] of RegionRecognizer2D (or 3D)"
            )
