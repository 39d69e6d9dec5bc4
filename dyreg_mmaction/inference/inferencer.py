"""Inferencer of classes and regions for videos, folders of frames and arrays."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.apis.inferencers.actionrecog_inferencer import ActionRecogInferencer
from mmengine.dataset import Compose
from torch import nn

from dyreg_mmaction.datasets.boxes.table import BoxTable
from dyreg_mmaction.datasets.video.frame_folder import find_frames
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.registry import INFERENCERS

from .fusion import fuse_for_inference
from .pipelines import DECODERS, one_view, read_pipeline, with_boxes, without_objects


@INFERENCERS.register_module()
class RegionInferencer(ActionRecogInferencer):
    """MMAction2's inferencer for videos, folders of frames and arrays, which can also return regions.

    .. code:: python

        inferencer = RegionInferencer('config.py', 'checkpoint.pth', device='cpu')
        inferencer(['video.mp4', 'folder_of_frames', array], regions=True)['predictions']

    Each prediction has ``pred_labels``, ``pred_scores``, and ``pred_names`` if they are known. With ``regions=True`` it
    also has ``regions``: by plugin path, ``center`` and ``half_size`` as lists (views, frames, nodes, 2) of (x, y) in
    0..1 of the crop.

    Args:
        model (str | Config): Path of the config, or the config.
        weights (str, optional): Checkpoint.
        device (str, optional): Device. Defaults to the GPU if one is available.
        label_file (str, optional): File with one class name per line. Defaults to the names of the checkpoint or the
            dataset.
        test_views (bool): Whether to average all crops and clips of the config's test pipeline, as tools/test.py and
            ``inference_recognizer`` do; otherwise only the middle crop of one clip is used.
        fuse (bool | str): Whether to apply :func:`.fuse_for_inference`, or its precision: 'float32', 'bfloat16',
            'float16'.
        scope (str): Scope of the registries.
        boxes (str, optional): File or folder with boxes of the inputs, by video path. Required if the config's nodes
            are boxes of a file (``LoadBoxes``).

    Raises:
        ValueError: If an input is not a video, a folder of numbered frames or an array (T, H, W, 3) of uint8, if
            ``boxes`` are required and missing, or if two inputs match the same boxes.
    """

    forward_kwargs = {'regions'}

    def __init__(
        self,
        model: Any,
        weights: str | None = None,
        device: str | None = None,
        label_file: str | None = None,
        test_views: bool = False,
        fuse: bool | str = False,
        scope: str = 'mmaction',
        boxes: str | None = None,
    ) -> None:
        self.test_views, self.boxes = test_views, boxes
        super().__init__(str(model) if isinstance(model, Path) else model, weights, device, label_file, scope=scope)
        if fuse:
            dtype = torch.float32 if fuse is True else getattr(torch, fuse)
            self.model: nn.Module = fuse_for_inference(self.model, dtype)

    def _inputs_to_list(self, inputs: Any) -> list:
        entries = [os.fspath(entry) if isinstance(entry, Path) else entry for entry in super()._inputs_to_list(inputs)]
        if self.boxes is not None:
            BoxTable(self.boxes).check_unique([entry for entry in entries if isinstance(entry, str)])
        return entries

    def _init_pipeline(self, cfg: Any) -> Callable[[Any], dict]:
        """Build a pipeline that depends on the kind of each input."""
        steps = without_objects(copy.deepcopy(list(cfg.test_dataloader.dataset.pipeline)))
        steps = with_boxes(steps, self.boxes)
        if not self.test_views:
            steps = one_view(steps)
        pipelines = {kind: Compose(read_pipeline(steps, kind)) for kind in DECODERS}

        def load(entry: Any) -> dict:
            kind, results = describe(entry)
            return pipelines[kind](results)

        return load

    def forward(self, inputs: Any, regions: bool = False) -> list:  # type: ignore[override]
        """Return the data samples of a batch, with a field ``regions`` if requested."""
        if not regions:
            return super().forward(inputs)
        with attach_regions(self.model):
            return super().forward(inputs)

    def pred2dict(self, data_sample: Any) -> dict:
        """Convert a data sample to a dict that can be written as JSON."""
        result = super().pred2dict(data_sample)
        if 'regions' in data_sample:
            result['regions'] = {
                path: dict(center=found.center.tolist(), half_size=found.half_size.tolist())
                for path, found in data_sample.regions.items()
            }
        return result


def describe(entry: Any) -> tuple[str, dict]:
    """Return the kind of an input ('video', 'frames' or 'array') and the keys that MMAction2's transforms require."""
    results: dict = dict(label=-1, start_index=0, modality='RGB')
    if isinstance(entry, np.ndarray):
        if entry.ndim != 4 or entry.shape[-1] != 3 or entry.dtype != np.uint8 or not len(entry):
            raise ValueError(
                f'an array of shape {entry.shape} and {entry.dtype} is not a clip; pass frames (T, H, W, 3), RGB, uint8'
            )
        return 'array', dict(results, array=entry, total_frames=len(entry))
    if not isinstance(entry, str) or not os.path.exists(entry):
        raise ValueError(
            f'{entry!r} does not exist; pass a video, a folder of frames or an array (T, H, W, 3) of uint8'
        )
    if os.path.isfile(entry):
        return 'video', dict(results, filename=entry)
    frames = find_frames(entry)
    return 'frames', dict(
        results,
        frame_dir=entry,
        filename_tmpl=frames.template,
        total_frames=frames.num_frames,
        start_index=frames.first,
    )
