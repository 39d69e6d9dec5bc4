"""Properties of a sample in the pipeline that box transforms need."""

from pathlib import Path

import numpy as np


def frames_per_clip(results: dict) -> int:
    """Return the clip length T. TSN's clips of one frame count as the frames of one clip."""
    return results['clip_len'] if results['clip_len'] > 1 else results['num_clips']


def frame_numbers(results: dict) -> np.ndarray:
    """Return the numbers (clips * T,) of the sampled frames, counted from 0."""
    return np.asarray(results['frame_inds']) - results['start_index']


def video_path(results: dict) -> Path:
    """Return the video file or the folder of its frames.

    Raises:
        ValueError: If the sample is an array.
    """
    if not (path := results.get('filename') or results.get('frame_dir')):
        raise ValueError(
            'boxes are looked up by video path, but the sample is an array; pass a video file or its frames'
        )
    return Path(path)


def annotated_size(results: dict, ann_height: float | None) -> tuple[float, float]:
    """Return height and width of the annotated frames: those of the video, scaled to ``ann_height`` if it is set."""
    height, width = results.get('original_shape', results['img_shape'])
    return (height, width) if ann_height is None else (ann_height, width * ann_height / height)
