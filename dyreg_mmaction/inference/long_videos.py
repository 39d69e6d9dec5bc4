"""Prediction of classes and regions in videos of any length, window by window."""

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import nn

from dyreg_mmaction.datasets.video.streams import Frame, is_live
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.models.finding import region_plugins
from dyreg_mmaction.visualization.clip import RegionClip, make_clip
from dyreg_mmaction.visualization.source import keep_source

from .windows import VideoWindows, Window


class WindowPrediction(NamedTuple):
    """Prediction of a window.

    Attributes:
        start, end (float): Start and end, in seconds after the first frame.
        scores (ndarray[K]): Probabilities of the classes; independent of each other for multi-label models.
        clip (RegionClip, optional): Regions in the frames, if requested; its ``times`` are those of the video.
    """

    start: float
    end: float
    scores: np.ndarray
    clip: RegionClip | None = None

    @property
    def label(self) -> int:
        """Class with the highest score."""
        return int(self.scores.argmax())


class WindowPredictor:
    """Run a recognizer over videos of any length, in batches of windows.

    .. code:: python

        predict = WindowPredictor(model, cfg.test_dataloader.dataset.pipeline, window=2, stride=1)
        for prediction in predict('video.mp4'):
            print(prediction.start, prediction.end, prediction.label, prediction.scores.max())

    Args:
        model (nn.Module): A recognizer in eval mode.
        pipeline (Sequence[dict]): Its test pipeline.
        window, stride (float, optional): Seconds, see :class:`.VideoWindows`.
        batch (int): Number of windows per batch. For live streams each window is predicted immediately.
        regions (bool): Whether to return regions.
        test_views (bool): Whether to average all crops and clips of the pipeline, as tools/test.py does.
        fps (float): Frames per second of folders of frames.

    Raises:
        ValueError: If ``batch`` is not positive, or ``regions`` are requested from a model without plugins.
    """

    def __init__(
        self,
        model: nn.Module,
        pipeline: Any,
        window: float | None = None,
        stride: float | None = None,
        batch: int = 8,
        regions: bool = False,
        test_views: bool = True,
        fps: float = 25,
    ) -> None:
        if batch < 1:
            raise ValueError(f'batch is {batch}, but must be at least 1')
        if regions and not region_plugins(model):
            raise ValueError('the model has no plugin with regions; set regions=False')
        self.model, self.batch, self.regions = model, batch, regions
        self.windows = VideoWindows(pipeline, window, stride, test_views, keep_source if regions else None, fps)

    def __call__(
        self, source: str | os.PathLike, on_frame: Callable[[Frame], Any] | None = None
    ) -> Iterator[WindowPrediction]:
        """Yield the predictions of a video in order; see :class:`.VideoWindows` for the arguments."""
        windows = self.windows(source, on_frame)
        size = 1 if is_live(os.fspath(source)) else self.batch
        batch: list[Window] = []
        try:
            for window in windows:
                batch.append(window)
                if len(batch) == size:
                    yield from self._predict(batch)
                    batch = []
        except ValueError:  # the windows before the damage are predicted first
            yield from self._predict(batch)
            raise
        yield from self._predict(batch)

    @torch.no_grad()
    def _predict(self, windows: list[Window]) -> list[WindowPrediction]:
        if not windows:
            return []
        data = pseudo_collate([window.sample for window in windows])
        if not self.regions:
            samples = self.model.val_step(data)  # type: ignore[operator]
            return [WindowPrediction(w.start, w.end, self._scores(s)) for w, s in zip(windows, samples, strict=True)]
        with attach_regions(self.model):
            samples = self.model.val_step(data)  # type: ignore[operator]
        return [
            WindowPrediction(window.start, window.end, self._scores(sample), _regions(window.sample['inputs'], sample))
            for window, sample in zip(windows, samples, strict=True)
        ]

    def _scores(self, sample: Any) -> np.ndarray:
        scores = sample.pred_score.detach().float().cpu()
        head = getattr(self.model, 'cls_head', None)
        if getattr(head, 'average_clips', None) == 'score' and not getattr(head, 'multi_class', False):
            scores = scores.softmax(-1)
        return (scores.mean(0) if scores.ndim == 2 else scores).numpy()


def _regions(inputs: torch.Tensor, sample: Any) -> RegionClip:
    """Return the regions of the view nearest to the middle of the frame, without the frames."""
    views = np.asarray(sample.get('view', [[[[0, 0, 1, 1]]]]), float)[:, 0, 0]  # the frame in each view, (V, 4)
    middle = (0.5 - (views[:, :2] + views[:, 2:]) / 2) / (views[:, 2:] - views[:, :2])
    clip = make_clip(inputs, sample, view=int(np.abs(middle).sum(1).round(6).argmin()))
    return clip._replace(frames=clip.frames[:, :0, :0].copy())
