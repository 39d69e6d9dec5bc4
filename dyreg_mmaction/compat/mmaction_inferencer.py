"""The inferencers of MMAction2 1.2.0, and the pictures that they draw."""

import functools
import os.path as osp
from types import ModuleType
from typing import Any

import numpy as np

from .on_import import mends


@mends('mmaction.apis.inferencers.actionrecog_inferencer')
def give_probabilities(inferencer: ModuleType) -> None:
    """``mmengine/infer/infer.py:299``: heads that average logits (``average_clips='score'``) gave them as scores."""
    stock = inferencer.ActionRecogInferencer.forward

    @functools.wraps(stock)
    def forward(self: Any, inputs: Any, **kwargs: Any) -> Any:
        samples = stock(self, inputs, **kwargs)
        head = getattr(self.model, 'cls_head', None)
        if getattr(head, 'average_clips', None) == 'score' and not getattr(head, 'multi_class', False):
            for sample in samples:
                sample.set_pred_score(sample.pred_score.softmax(-1))
        return samples

    inferencer.ActionRecogInferencer.forward = forward


def class_names(cfg: Any, dataset_meta: dict | None) -> list[str] | None:
    """Class names that the checkpoint's ``dataset_meta`` or the config's dataset knows."""
    from dyreg_mmaction.datasets.class_names import dataset_classes

    known = (dataset_meta or {}).get('classes')
    if known:
        return list(known)
    num_classes = (cfg.get('model', {}).get('cls_head') or {}).get('num_classes')
    return dataset_classes(cfg.get('test_dataloader', {}).get('dataset', {}), num_classes)


@mends('mmaction.apis.inferencers.actionrecog_inferencer')
def name_classes(inferencer: ModuleType) -> None:
    """``mmaction/apis/inferencers/actionrecog_inferencer.py:68``: names came from label files only, into pictures only.

    ``pred_names`` now stands beside ``pred_labels`` wherever names are known.
    """
    cls = inferencer.ActionRecogInferencer
    stock_init, stock_load, stock_pred2dict = cls.__init__, cls._load_weights_to_model, cls.pred2dict

    @functools.wraps(stock_init)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        stock_init(self, *args, **kwargs)
        given = (getattr(self.visualizer, 'dataset_meta', None) or {}).get('classes')
        self.classes = given or class_names(self.cfg, getattr(self.model, 'dataset_meta', None))
        if self.visualizer is not None and self.classes:
            self.visualizer.dataset_meta = dict(classes=self.classes)

    @functools.wraps(stock_load)
    def load_weights_to_model(self: Any, model: Any, checkpoint: Any, cfg: Any) -> None:
        stock_load(self, model, checkpoint, cfg)
        model.dataset_meta = (checkpoint or {}).get('meta', {}).get('dataset_meta')

    @functools.wraps(stock_pred2dict)
    def pred2dict(self: Any, data_sample: Any) -> dict:
        result = stock_pred2dict(self, data_sample)
        if self.classes:
            result['pred_names'] = [self.classes[label] for label in result['pred_labels']]
        return result

    cls.__init__, cls._load_weights_to_model, cls.pred2dict = init, load_weights_to_model, pred2dict


@mends('mmaction.apis.inferencers.mmaction2_inferencer')
def answer_for_all_videos(inferencer: ModuleType) -> None:
    """``mmaction/apis/inferencers/mmaction2_inferencer.py:132``: of several videos only the first was drawn.

    ``rec_names`` stands beside ``rec_labels``, as :func:`name_classes` has it.
    """
    cls = inferencer.MMAction2Inferencer
    stock = cls.postprocess

    def visualize(self: Any, inputs: Any, preds: dict, **kwargs: Any) -> Any:
        return self.actionrecog_inferencer.visualize(inputs, [sample for (sample,) in preds['rec']], **kwargs)

    @functools.wraps(stock)
    def postprocess(
        self: Any, preds: dict, visualization: Any = None, print_result: bool = False, pred_out_file: str = ''
    ) -> dict:
        results = stock(self, preds, visualization)
        for result, samples in zip(results['predictions'], preds['rec'], strict=True):
            found = [self.actionrecog_inferencer.pred2dict(sample) for sample in samples]
            if 'pred_names' in found[0]:
                result['rec_names'] = [entry['pred_names'] for entry in found]
        written = dict(predictions=results['predictions'])
        if print_result:
            print(written)
        if pred_out_file:
            inferencer.mmengine.dump(written, pred_out_file)  # type: ignore[attr-defined]
        return results

    cls.visualize, cls.postprocess = visualize, postprocess


@mends('mmaction.visualization.action_visualizer')
def draw_in_rgb(action_visualizer: ModuleType) -> None:
    """``mmaction/visualization/action_visualizer.py:106`` reads files as BGR among arrays that are RGB."""
    cls = action_visualizer.ActionVisualizer
    stock_load, stock_show = cls._load_video, cls.show

    @functools.wraps(stock_load)
    def load_video(self: Any, video: Any, target_resolution: Any = None) -> Any:
        frames = stock_load(self, video, target_resolution)
        return [frame[..., ::-1] for frame in frames] if isinstance(video, str) else frames

    @functools.wraps(stock_show)
    def show(self: Any, drawn_img: Any = None, *args: Any, **kwargs: Any) -> None:  # add_datasample turns them round
        stock_show(self, None if drawn_img is None else drawn_img[..., ::-1], *args, **kwargs)

    cls._load_video, cls.show = load_video, show


@mends('mmaction.visualization.video_backend')
def write_videos(video_backend: ModuleType) -> None:
    """``mmaction/visualization/video_backend.py:54`` asks for ``moviepy.editor``, which moviepy 2 has no more."""
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
            raise OSError(f'OpenCV cannot write a video of {width} x {height} to {path!r}')
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()

    video_backend.LocalVisBackend.add_video = add_video
