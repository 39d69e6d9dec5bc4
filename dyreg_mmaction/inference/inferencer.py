"""Classes, and the regions behind them, of videos, folders of frames and arrays."""

import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.apis.inferencers.actionrecog_inferencer import ActionRecogInferencer
from mmengine.dataset import Compose
from torch import nn

from dyreg_mmaction.datasets.boxes.table import BoxTable
from dyreg_mmaction.models.attaching import attach_regions
from dyreg_mmaction.registry import INFERENCERS

from .fusion import fuse_for_inference
from .pipelines import DECODERS, one_view, read_pipeline, with_boxes, without_objects

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


@INFERENCERS.register_module()
class RegionInferencer(ActionRecogInferencer):
    """MMAction2's inferencer for inputs of any kind, with the regions of the plugins beside the scores when asked.

    .. code:: python

        inferencer = RegionInferencer('config.py', 'checkpoint.pth', device='cpu')
        inferencer(['video.mp4', 'folder_of_frames', array], regions=True)['predictions']

    Each prediction has ``pred_labels``, ``pred_names`` where they are known, ``pred_scores``, and with ``regions=True``
    also ``regions``: by the path of each plugin ``center`` and ``half_size``, lists (views, frames, nodes, 2) of (x, y)
    in 0..1 of the crop.

    Args:
        model (str | Config): Path of the config, or the config.
        weights (str, optional): Checkpoint.
        device (str, optional): Where to run; None: on the GPU, if there is one.
        label_file (str, optional): Class names, one a line; None: those that the checkpoint or the dataset knows.
        test_views (bool): Whether to average all crops and samplings of the config's test pipeline, as tools/test.py
            and ``inference_recognizer`` do, instead of looking at the crop in the middle once.
        fuse (bool | str): Whether to run a model made faster by :func:`.fuse_for_inference`, or in which precision:
            'float32', 'bfloat16', 'float16'.
        scope (str): Scope of the registries.
        boxes (str, optional): File or folder of the boxes of the inputs, where the config's nodes are boxes of a file
            (``LoadBoxes``); they are found by the paths of videos.

    Raises:
        ValueError: If an input is no video, no folder of numbered frames and no array (T, H, W, 3) of uint8, nodes are
            boxes of a file and there are no ``boxes``, or two inputs would have the same.
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
        """A pipeline that looks at each input first."""
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
        """Data samples of a batch, with a field ``regions`` when asked."""
        if not regions:
            return super().forward(inputs)
        with attach_regions(self.model):
            return super().forward(inputs)

    def pred2dict(self, data_sample: Any) -> dict:
        """What JSON can hold of a data sample."""
        result = super().pred2dict(data_sample)
        if 'regions' in data_sample:
            result['regions'] = {
                path: dict(center=found.center.tolist(), half_size=found.half_size.tolist())
                for path, found in data_sample.regions.items()
            }
        return result


def describe(entry: Any) -> tuple[str, dict]:
    """Kind of an input ('video', 'frames' or 'array'), and what MMAction2's transforms need to know of it."""
    results: dict = dict(label=-1, start_index=0, modality='RGB')
    if isinstance(entry, np.ndarray):
        if entry.ndim != 4 or entry.shape[-1] != 3 or entry.dtype != np.uint8 or not len(entry):
            raise ValueError(
                f'an array of shape {entry.shape} and {entry.dtype} is no clip; give RGB frames (T, H, W, 3) of uint8'
            )
        return 'array', dict(results, array=entry, total_frames=len(entry))
    if not isinstance(entry, str) or not os.path.exists(entry):
        raise ValueError(
            f'{entry!r} does not exist; give a video, a folder of frames or an array (T, H, W, 3) of uint8'
        )
    if os.path.isfile(entry):
        return 'video', dict(results, filename=entry)
    names = [re.fullmatch(r'(.*?)(\d+)(\.\w+)', name) for name in sorted(os.listdir(entry))]
    frames = [name for name in names if name and name[3].lower() in IMAGES]
    if not frames:
        raise ValueError(f'the folder {entry!r} has no frames; their names must end in a number, as in 00001.jpg')
    first = frames[0]
    template = f'{first[1]}{{:0{len(first[2])}}}{first[3]}'
    missing = {template.format(int(first[2]) + index) for index in range(len(frames))} - {name[0] for name in frames}
    if missing:
        raise ValueError(f'the folder {entry!r} has {len(frames)} frames from {first[0]} on, but no {min(missing)}')
    return 'frames', dict(
        results,
        frame_dir=entry,
        filename_tmpl=template,
        total_frames=len(frames),
        start_index=int(first[2]),
    )
