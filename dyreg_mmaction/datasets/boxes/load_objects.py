"""The objects of a clip as annotated, to measure regions by: nothing is filled in."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from dyreg_mmaction.registry import TRANSFORMS

from .sample import annotated_size, frame_numbers, frames_per_clip, video_path
from .table import BoxTable


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
        self.table = BoxTable(ann_file) if ann_file is not None else None

    def transform(self, results: dict) -> dict:
        """Add ``objects``; make ``acting`` as long."""
        num_frames = frames_per_clip(results)
        if self.table is not None:
            boxes = self._from_file(self.table, results)  # (clips * T, K, 4)
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
