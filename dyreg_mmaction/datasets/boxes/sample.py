"""What transforms of boxes ask of a sample in a pipeline."""

from pathlib import Path

import numpy as np


def frames_per_clip(results: dict) -> int:
    """Number of frames T of a clip, for clips of one frame too, as TSN samples them."""
    return results['clip_len'] if results['clip_len'] > 1 else results['num_clips']


def frame_numbers(results: dict) -> np.ndarray:
    """Numbers (clips * T,) of the sampled frames, counted from 0."""
    return np.asarray(results['frame_inds']) - results['start_index']


def video_path(results: dict) -> Path:
    """The file of the video, or the folder of its frames.

    Raises:
        ValueError: If the sample is an array.
    """
    if not (path := results.get('filename') or results.get('frame_dir')):
        raise ValueError('boxes are found by the path of a video, but an array has none; give its file or its frames')
    return Path(path)


def annotated_size(results: dict, ann_height: float | None) -> tuple[float, float]:
    """Height and width of the annotated frames: those of the video, scaled to ``ann_height`` where it is given."""
    height, width = results.get('original_shape', results['img_shape'])
    return (height, width) if ann_height is None else (ann_height, width * ann_height / height)
