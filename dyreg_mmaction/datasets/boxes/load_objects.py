"""Loading of annotated objects for evaluation; missing boxes are not filled in."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from dyreg_mmaction.registry import TRANSFORMS

from .sample import annotated_size, frame_numbers, frames_per_clip, video_path
from .table import BoxTable


@TRANSFORMS.register_module()
class LoadObjects(BaseTransform):
    """Add the annotated boxes of the sampled frames per object: ``objects`` (clips, T, K, 4) as (x1, y1, x2, y2).

    Boxes are in 0..1 of the frame, and nan if the frame is not annotated or the object is not visible in it. K is the
    number of objects of the video, 0 without annotation. Place it after decoding, put transforms that move pixels into
    :class:`.WithBoxes`, and set ``algorithm_keys=('objects', 'acting')`` of PackActionInputs. Without ``ann_file`` the
    dataset's ``gt_bboxes`` (T, K, 4), in pixels, are used. Boxes of a file are tracked over frames as in
    :class:`.LoadBoxes`; objects are sorted by their first frame, then by their order in it. ``acting`` (K,), if the
    dataset provides it, marks the acting objects of the class.

    Args:
        ann_file (str | Sequence[str], optional): JSON file in the format of Something-Else (also MiniSomething's), a
            list of such files, or a folder with one such file per video.
        ann_height (int, optional): Height in pixels of the annotated frames. Required if the file does not provide it
            and the videos were resized.

    Raises:
        FileNotFoundError: If the file or folder does not exist.
        ValueError: If neither the file nor the dataset provides boxes, or boxes exceed the frame.
    """

    def __init__(self, ann_file: str | Sequence[str] | None = None, ann_height: int | None = None) -> None:
        self.ann_height = ann_height
        self.table = BoxTable(ann_file) if ann_file is not None else None

    def transform(self, results: dict) -> dict:
        """Add ``objects`` and pad or cut ``acting`` to the same number of objects."""
        num_frames = frames_per_clip(results)
        if self.table is not None:
            boxes = self._from_file(self.table, results)  # (clips * T, K, 4)
        elif 'gt_bboxes' in results:
            height, width = results['img_shape']
            boxes = results['gt_bboxes'] / np.array([width, height, width, height])
        else:
            raise ValueError('the dataset provides no gt_bboxes; set ann_file of LoadObjects to a box file')
        clips = len(boxes) // num_frames
        results['objects'] = boxes.reshape(clips, num_frames, *boxes.shape[1:]).astype(np.float32)
        if 'acting' in results:
            acting = np.zeros(boxes.shape[1], bool)
            acting[: len(results['acting'])] = results['acting'][: len(acting)]
            results['acting'] = acting
        return results

    def _from_file(self, table: BoxTable, results: dict) -> np.ndarray:
        video, wanted = video_path(results), frame_numbers(results)
        if video not in table:
            return np.empty((len(wanted), 0, 4))
        tracks = table.read(video, annotated_size(results, self.ann_height), sure=self.ann_height is not None)
        objects = np.full((len(wanted), *tracks.boxes.shape[1:]), np.nan)
        annotated = np.isin(wanted, tracks.numbers)
        frames = np.searchsorted(tracks.numbers, wanted[annotated])
        objects[annotated] = np.where(tracks.seen[frames, :, None], tracks.boxes[frames], np.nan)
        return objects
