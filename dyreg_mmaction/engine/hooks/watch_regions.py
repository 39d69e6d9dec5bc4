"""What becomes of the regions while a model is trained."""

from contextlib import ExitStack

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from dyreg_mmaction.engine.region_numbers import region_numbers
from dyreg_mmaction.models.recording import record_regions, region_sources
from dyreg_mmaction.models.regions import StaticRegions
from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import HOOKS

REST, HEAP = 0.005, 0.02  # of the frame: what moves less rests, what is spread less is a heap


@HOOKS.register_module()
class WatchRegionsHook(Hook):
    """Logs numbers of the regions of each plugin that learns them, and says early when something is wrong with them.

    In parts of the frame, as means over the clips of an iteration, by the path of the plugin: ``shift`` of centres from
    where they were at the start, ``motion`` of a centre within its clip (standard deviation), ``spread`` of a frame's
    centres around their mean, ``half_size``; and ``residual``, the mean size of the scale that writes nodes back, 0 at
    the start. They come from the training's own forward, once in ``interval`` iterations, and stand in the log and in
    all visual backends; numbers of single nodes, that region losses measure, in the latter alone.

    When ``warn_at`` of the training is done, one sentence says which regions do not move, or which nodes lie on one
    another, and what to try.

    Args:
        interval (int): Iterations from one look to the next; that of LoggerHook is as often as it can be seen.
        warn_at (float): Part of the training, in 0..1.
    """

    def __init__(self, interval: int = 10, warn_at: float = 0.1) -> None:
        self.interval = interval
        self.warn_at = warn_at
        self.stack = ExitStack()
        self.record: dict[str, list[Regions]] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the plugins; warn only where the time for it is still to come."""
        model = unwrap(runner.model)
        learning = {path: source for path, source in region_sources(model).items() if list(source.parameters())}
        owners = {getattr(module, 'regions', None): module for module in model.modules()}
        self.plugins = {path: owners[source] for path, source in learning.items()}
        self.warned = runner.iter > self._warn_iter(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Listen to the forward, where it is to be looked at."""
        looks = runner.iter == 0 or self.every_n_train_iters(runner, self.interval) or self._warns(runner)
        if self.plugins and looks:
            self.record = self.stack.enter_context(record_regions(unwrap(runner.model)))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Log the numbers."""
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
            for name, value in numbers.items():
                runner.message_hub.update_scalar(f'train/{path}/{name}', value.item())
            if self._warns(runner):
                self._warn(runner, path, regions, numbers)
        self.record = {}
        self.warned = self.warned or self._warns(runner)
        info = runner.message_hub.runtime_info
        vectors = {key: value.tolist() for key, value in info.items() if isinstance(value, Tensor) and value.ndim == 1}
        for key, values in vectors.items():
            runner.message_hub.pop_info(key)
            runner.visualizer.add_scalars({f'{key}_{i}': each for i, each in enumerate(values)}, step=runner.iter + 1)

    def _start(self, runner: Runner, path: str, regions: Regions) -> Tensor:
        """Mean centres of the nodes at the first look at a training, also after it was resumed."""
        key = f'{path}/start'
        if runner.message_hub.get_info(key) is None:
            runner.message_hub.update_info(key, regions.center.detach().mean((0, 1)).tolist())
        return regions.center.new_tensor(runner.message_hub.get_info(key))

    def _warn_iter(self, runner: Runner) -> int:
        return max(int(self.warn_at * runner.max_iters) - 1, 0)

    def _warns(self, runner: Runner) -> bool:
        return not self.warned and runner.iter == self._warn_iter(runner)

    def _warn(self, runner: Runner, path: str, regions: Regions, numbers: dict[str, Tensor]) -> None:
        center = regions.center.detach().flatten(0, 1)  # over clips and frames, so that one set a clip may move too
        moves = center.std(0, correction=0).norm(dim=-1).max().item()
        after = f'after {runner.iter + 1} of {runner.max_iters} iterations'
        source = self.plugins[path].regions
        if moves < REST and not isinstance(source, StaticRegions):  # which are the same for all clips
            advice = (
                'a larger weight of region_losses'
                if getattr(unwrap(runner.model), 'region_losses', None)
                else "model.type='RegionRecognizer2D' (or 3D) with "
                "region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)]"
            )
            if hasattr(source, 'predictor'):
                advice += ', or a higher learning rate of regions.predictor.alpha'
            runner.logger.warning(
                f'regions of plugin {path!r} do not move: {after} no centre differs by more than {moves:.4f} of the '
                f'frame between clips and frames; try {advice}'
            )
        elif len(regions.center[0, 0]) > 1 and (spread := numbers['spread'].item()) < HEAP:
            runner.logger.warning(
                f'all nodes of plugin {path!r} lie on one another: {after} their centres are {spread:.4f} of the frame '
                "from their mean; try regions=dict(type='DynamicRegions', reference='grid'), or "
                "region_losses=[..., dict(type='CenterRepulsion', weight=0.3)] of RegionRecognizer2D (or 3D)"
            )
