"""The objects of a clip as annotated, to measure regions by: nothing is filled in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from dyreg_mmaction.registry import TRANSFORMS

from .files import BoxFiles
from .tracks import match_boxes

ALL = 10_000  # boxes of a frame: no annotated one is left out


@TRANSFORMS.register_module()
class LoadObjects(BaseTransform):
    """Add the annotated boxes of the sampled frames, object by object: ``objects`` (clips, T, K, 4), x1, y1, x2, y2.

    They are in 0..1 of the frame, and nan where a frame is not annotated or an object is not in it; K is the number of
    objects of the video, 0 without annotation. It stands after decoding, with :class:`.WithBoxes` around what moves
    pixels, and ``algorithm_keys=('objects', 'acting')`` in PackActionInputs. Without a file the dataset's own
    ``gt_bboxes`` (T, K, 4), in pixels, are taken. Boxes of a file are followed from frame to frame as in
    :class:`.LoadBoxes`; those of the first frame come first, in their order. ``acting`` (K,), where the dataset gives
    it, says which objects the class is about.

    Args:
        ann_file (str | Sequence[str], optional): JSON in Something-Else's form (MiniSomething's too), or the list of
            its parts, or a folder with such a file a video.
        ann_height (int, optional): Height in pixels of the frames that were annotated, where neither the file says it
            nor the video has it.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If neither file nor dataset gives boxes, or they reach out of the frames.
    """

    def __init__(self, ann_file: str | Sequence[str] | None = None, ann_height: int | None = None) -> None:
        self.ann_height = ann_height
        self.files = BoxFiles(ann_file) if ann_file is not None else None

    def transform(self, results: dict) -> dict:
        """Add ``objects``; make ``acting`` as long."""
        num_frames = results['clip_len'] if results['clip_len'] > 1 else results['num_clips']
        if self.files is not None:
            boxes = self._from_file(self.files, results)  # (clips * T, K, 4)
        elif 'gt_bboxes' in results:
            height, width = results['img_shape']
            boxes = results['gt_bboxes'] / np.array([width, height, width, height])
        else:
            raise ValueError('the dataset gives no gt_bboxes; name a file of boxes with ann_file of LoadObjects')
        clips = len(boxes) // num_frames
        results['objects'] = boxes.reshape(clips, num_frames, *boxes.shape[1:]).astype(np.float32)
        if 'acting' in results:
            acting = np.zeros(boxes.shape[1], bool)
            acting[: len(results['acting'])] = results['acting'][: len(acting)]
            results['acting'] = acting
        return results

    def _from_file(self, files: BoxFiles, results: dict) -> np.ndarray:
        height, width = results.get('original_shape', results['img_shape'])
        if self.ann_height is not None:
            height, width = self.ann_height, width * self.ann_height / height
        video = Path(results.get('filename') or results['frame_dir'])
        wanted = np.asarray(results['frame_inds']) - results['start_index']
        if video not in files:
            return np.empty((len(wanted), 0, 4))
        numbers, frames = files.read(video, (height, width), ALL)
        return pick_frames(np.asarray(numbers), frames, wanted)


def pick_frames(numbers: np.ndarray, frames: Sequence[np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Objects (T, K, 4) of some frames of a video, nan where they are not seen.

    Args:
        numbers (np.ndarray): Numbers (F,) of the annotated frames, in order.
        frames (Sequence[np.ndarray]): Boxes of each, in any order and number.
        wanted (np.ndarray): Numbers (T,) of the frames to pick.
    """
    most = max(map(len, frames), default=0)
    if not most:
        return np.empty((len(wanted), 0, 4))
    tracks = match_boxes(frames, 2 * most)  # (F,2K,4): a new object need not take the place of one that has left
    tracks = tracks[:, _in_order(tracks, frames)]
    objects = np.full((len(wanted), *tracks.shape[1:]), np.nan)
    for t, frame in enumerate(np.searchsorted(numbers, wanted)):
        if frame < len(numbers) and numbers[frame] == wanted[t]:
            seen = _same(tracks[frame], frames[frame]).any(1)
            objects[t, seen] = tracks[frame, seen]
    return objects


def _in_order(tracks: np.ndarray, frames: Sequence[np.ndarray]) -> np.ndarray:
    """Indices of the tracks that have boxes, those of the first frame with boxes first and in its order."""
    first = next(i for i, boxes in enumerate(frames) if len(boxes))
    same = _same(tracks[first], frames[first])
    place = np.where(same.any(1), same.argmax(1), len(tracks[0]) + np.arange(len(tracks[0])))
    order = np.argsort(place, kind='stable')
    return order[~np.isnan(tracks[-1, order, 0])]


def _same(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which of boxes (M, 4) are which of boxes (K, 4): (M, K)."""
    return (first[:, None] == second[None]).all(-1)
