"""The regions of the same few clips after every validation."""

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner

from dyreg_mmaction.registry import HOOKS
from dyreg_mmaction.visualization.predict import class_names, dataset_samples, predict_clip
from dyreg_mmaction.visualization.sheet import contact_sheet


@HOOKS.register_module()
class DrawRegionsHook(Hook):
    """Draw the same clips of the validation set after every validation, into all visual backends of the run.

    As one picture, ``regions``, at the epoch (the iteration in a run that counts those), see :func:`.contact_sheet`.

    Args:
        num (int): Number of clips, from all over the set.
        width (int): Width of a frame, in pixels.

    Raises:
        ValueError: If ``num`` is not positive.
    """

    priority = 'LOW'

    def __init__(self, num: int = 4, width: int = 160) -> None:
        if num < 1:
            raise ValueError(f'num={num} must be at least 1')
        self.num, self.width = num, width
        self.samples: list[dict] = []

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw, in the first process."""
        if not is_main_process():
            return
        if not self.samples:
            self.samples = list(dataset_samples(runner.cfg, 'val', self.num)[0])
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        classes = class_names(runner.cfg)
        clips = [predict_clip(model, sample, classes) for sample in self.samples]
        step = runner.iter if isinstance(runner._train_loop, IterBasedTrainLoop) else runner.epoch
        runner.visualizer.add_image('regions', contact_sheet(clips, width=self.width), step=step)
