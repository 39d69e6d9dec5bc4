"""Draw regions after every validation."""

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from dyreg_mmaction.models.unwrap import unwrap
from dyreg_mmaction.registry import HOOKS
from dyreg_mmaction.visualization.inputs import ClipInput, dataset_inputs
from dyreg_mmaction.visualization.predict import class_names, predict_clips
from dyreg_mmaction.visualization.sheet import contact_sheet, stack


@HOOKS.register_module()
class DrawRegionsHook(Hook):
    """Draw the same clips of the validation set after every validation, into all visualization backends.

    The clips are drawn to one image named ``regions``, see :func:`.contact_sheet`. Its step is the epoch, or the
    iteration in iteration-based training. Unreadable clips are logged and skipped. Objects are drawn if the validation
    pipeline loads them or the dataset provides them.

    Args:
        num (int): Number of clips, evenly spaced over the validation set.
        width (int): Width of a frame in pixels.

    Raises:
        ValueError: If ``num`` is not positive.
    """

    priority = 'LOW'

    def __init__(self, num: int = 4, width: int = 160) -> None:
        if num < 1:
            raise ValueError(f'num={num} must be at least 1')
        self.num, self.width = num, width
        self.inputs: list[ClipInput] = []

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the clips in rank 0."""
        if not is_main_process():
            return
        self.inputs = self.inputs or dataset_inputs(runner.cfg, 'val', self.num)
        clips = predict_clips(
            unwrap(runner.model),
            self.inputs,
            lambda error: runner.logger.warning(f'{error}; skipped'),
            class_names(runner.cfg),
        )
        images = [contact_sheet([clip], width=self.width) for clip in clips]
        step = runner.iter if isinstance(runner._train_loop, IterBasedTrainLoop) else runner.epoch
        if images:
            runner.visualizer.add_image('regions', stack(images), step=step)
