"""Visualizer of regions during a run."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.visualization import ActionVisualizer
from mmengine.dist import master_only
from PIL import Image

from dyreg_mmaction.registry import VISUALIZERS

from .clip import make_clip
from .sheet import contact_sheet


@VISUALIZERS.register_module()
class RegionVisualizer(ActionVisualizer):
    """MMAction2's visualizer that also draws the regions of data samples.

    They are written as one picture (:func:`.contact_sheet`) to all visualization backends, or to the file
    ``out_path``.png. In a config it replaces :class:`mmaction.visualization.ActionVisualizer` and has its arguments.
    """

    @master_only
    def add_datasample(self, name: str, video: Any, data_sample: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Draw a sample that was predicted inside :func:`.attach_regions`; other samples are drawn by the parent.

        Args:
            name (str): Name of the picture.
            video (Tensor | ndarray): The network's input, (V*T, C, H, W) or (V, C, T, H, W), or an array
                (V*T, H, W, C).
            data_sample (ActionDataSample, optional): The prediction.
            *args: Further arguments of the parent.
            **kwargs: Further arguments of the parent.

        Returns:
            ndarray[H, W, 3]: The picture, RGB.
        """
        if data_sample is None or not data_sample.get('regions'):
            return super().add_datasample(name, video, data_sample, *args, **kwargs)
        frames = torch.from_numpy(np.asarray(video)).permute(0, 3, 1, 2) if isinstance(video, np.ndarray) else video
        classes = (self.dataset_meta or {}).get('classes')
        picture = contact_sheet([make_clip(frames, data_sample, name, classes)])
        if kwargs.get('out_path'):
            path = Path(f'{kwargs["out_path"]}.png')
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        else:
            self.add_image(name, picture, step=kwargs.get('step', 0))
        return picture
