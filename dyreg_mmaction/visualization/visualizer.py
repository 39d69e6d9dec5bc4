"""Regions among the pictures of a run."""

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
    """MMAction2's visualizer that draws the regions of a data sample which has some.

    They go as one picture, see :func:`.contact_sheet`, to all visual backends, or to the file ``out_path``.png.
    Arguments are those of :class:`mmaction.visualization.ActionVisualizer`, in whose place it stands in a config.
    """

    @master_only
    def add_datasample(self, name: str, video: Any, data_sample: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Draw a sample that was predicted inside :func:`.attach_regions`; any other as the parent does.

        Args:
            name (str): The picture's name.
            video (Tensor | ndarray): Frames as the network got them, (V*T, C, H, W) or (V, C, T, H, W), or an array
                (V*T, H, W, C).
            data_sample (ActionDataSample, optional): The prediction.

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
