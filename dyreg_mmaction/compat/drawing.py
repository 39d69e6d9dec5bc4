"""Images and videos that MMAction2 draws of samples and predictions."""

import functools
import os.path as osp
from types import ModuleType
from typing import Any

import numpy as np
import torch

from .on_import import on_import
from .replacing import is_original


@on_import('mmaction.visualization.action_visualizer')
def draw_labels(action_visualizer: ModuleType) -> None:
    """ActionVisualizer never draws labels because it reads fields that samples lack. They are now set."""
    from mmengine.structures import LabelData

    stock = action_visualizer.ActionVisualizer.add_datasample

    @functools.wraps(stock)
    def add_datasample(self: Any, name: str, video: Any, data_sample: Any = None, *args: Any, **kwargs: Any) -> Any:
        drawn = action_visualizer.ActionDataSample()
        if data_sample is not None and 'gt_label' in data_sample:
            drawn.gt_label = drawn.gt_labels = data_sample.gt_label
        if data_sample is not None and 'pred_label' in data_sample:
            drawn.pred_labels = LabelData(item=data_sample.pred_label)
            if isinstance(data_sample.get('pred_score'), torch.Tensor):
                drawn.pred_labels.score = data_sample.pred_score
        return stock(self, name, video, drawn, *args, **kwargs)

    action_visualizer.ActionVisualizer.add_datasample = add_datasample


def _frames_of_inputs(inputs: torch.Tensor) -> np.ndarray:
    """Return RGB frames (V * T, H, W, C) of packed inputs (V, C, T, H, W), (C, T, H, W) or (T, C, H, W)."""
    if inputs.ndim == 5:
        inputs = inputs.permute(0, 2, 3, 4, 1).flatten(0, 1)
    else:
        inputs = inputs.permute(0, 2, 3, 1) if inputs.shape[1] in (1, 3) else inputs.permute(1, 2, 3, 0)
    return inputs.to(torch.uint8).numpy()


@on_import('mmaction.engine.hooks.visualization_hook')
def draw_samples(visualization_hook: ModuleType) -> None:
    """VisualizationHook passes an unknown argument and wrong frame layouts, and miscounts the last batch. Fixed."""
    if not is_original(visualization_hook.VisualizationHook._draw_samples, visualization_hook):
        return

    def draw(self: Any, batch_idx: int, data_batch: dict, data_samples: Any, step: int = 0) -> None:
        if not self.enable:
            return
        first = 0 if batch_idx == 0 else self.num_seen
        self.num_seen = first + len(data_samples)
        draw_args = {key: value for key, value in self.draw_args.items() if key != 'show'}
        for index in range(-first % self.interval, len(data_samples), self.interval):
            sample = data_samples[index]
            source = sample.get('filename') or sample.get('frame_dir')
            name = osp.basename(source) if source else str(first + index)
            if self.out_dir is not None:
                draw_args['out_path'] = self.file_client.join_path(self.out_dir, f'{name}_{step}')
            video = _frames_of_inputs(data_batch['inputs'][index])
            self._visualizer.add_datasample(name, video, sample, step=step, show_frames=self.show, **draw_args)

    visualization_hook.VisualizationHook._draw_samples = draw


@on_import('mmaction.visualization.action_visualizer')
def draw_in_rgb(action_visualizer: ModuleType) -> None:
    """ActionVisualizer reads files as BGR but expects RGB, so red is drawn as blue. Files are now read as RGB."""
    cls = action_visualizer.ActionVisualizer
    stock_load, stock_show = cls._load_video, cls.show

    @functools.wraps(stock_load)
    def load_video(self: Any, video: Any, target_resolution: Any = None) -> Any:
        frames = stock_load(self, video, target_resolution)
        return [frame[..., ::-1] for frame in frames] if isinstance(video, str) else frames

    @functools.wraps(stock_show)
    def show(self: Any, drawn_img: Any = None, *args: Any, **kwargs: Any) -> None:  # add_datasample swaps the channels
        stock_show(self, None if drawn_img is None else drawn_img[..., ::-1], *args, **kwargs)

    cls._load_video, cls.show = load_video, show


@on_import('mmaction.visualization.video_backend')
def write_videos(video_backend: ModuleType) -> None:
    """LocalVisBackend imports ``moviepy.editor``, which moviepy 2 removed. OpenCV and Pillow now write videos."""
    import cv2
    from mmengine.visualization.vis_backend import force_init_env
    from PIL import Image

    stock = video_backend.LocalVisBackend.add_video

    @functools.wraps(stock)
    @force_init_env
    def add_video(
        self: Any, name: str, frames: np.ndarray, step: int = 0, fps: int = 4, out_type: str = 'img', **kwargs: Any
    ) -> None:
        if out_type == 'img':
            return stock(self, name, frames, step, fps, out_type, **kwargs)
        path = osp.join(self._save_dir, f'{osp.splitext(name)[0]}.{dict(video="mp4", gif="gif")[out_type]}')
        if out_type == 'gif':
            first, *others = map(Image.fromarray, frames)
            first.save(path, save_all=True, append_images=others, duration=1000 / fps, loop=0)
            return
        height, width = frames.shape[1:3]
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'mp4v'), fps, (width, height))
        if not writer.isOpened():
            raise OSError(f'OpenCV cannot write a video of {width} x {height} to {path!r}; choose a writable folder')
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()

    video_backend.LocalVisBackend.add_video = add_video
