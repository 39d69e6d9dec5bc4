"""Boxes of the objects of a clip, as (x1, y1, x2, y2) in 0..1 of the frame, put beside its frames."""

import warnings
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from dyreg_mmaction.registry import TRANSFORMS

from .sample import annotated_size, frame_numbers, frames_per_clip, video_path
from .table import BoxTable

WHOLE_FRAME = (0.0, 0.0, 1.0, 1.0)


@TRANSFORMS.register_module()
class LoadBoxes(BaseTransform):
    """Add the boxes of the sampled frames, node by node: ``boxes`` (clips, T, N, 4).

    It stands after decoding and before anything that moves pixels. Without a file the dataset's own ``gt_bboxes``
    ``(T, D, 4)``, in pixels, are taken, in their order. With one:

    - of each annotated frame the N boxes of highest score are kept, or the first N where there are no scores;
    - each keeps the node that it had in the annotated frame before, by the Hungarian algorithm on the overlap (IoU); a
      box that overlaps none takes the node of an object that was near it in the frame before and is not found now, else
      a free node, else that of the nearest object that is not found now (:func:`match_boxes`);
    - a node whose object is not found keeps its last box, and before its first box has that one;
    - a frame that is not annotated has the boxes of the nearest annotated one;
    - a node that never has a box sees the whole frame, as do all nodes of a video without boxes.

    Args:
        num_boxes (int): Number of boxes N, that is ``num_nodes`` of the plugins.
        ann_file (str | Sequence[str], optional): JSON in Something-Else's form (MiniSomething's too), or the list of
            its parts, or a folder with such a file a video, as tools/data/extract_boxes.py writes it.
        ann_height (int, optional): Height in pixels of the frames that were annotated, where neither the file says it
            nor the video has it.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If ``num_boxes`` is not positive, the sample has no boxes, or they reach out of its frames.
    """

    def __init__(
        self, num_boxes: int = 9, ann_file: str | Sequence[str] | None = None, ann_height: int | None = None
    ) -> None:
        if num_boxes < 1:
            raise ValueError(f'num_boxes={num_boxes} must be at least 1')
        self.num_boxes = num_boxes
        self.ann_height = ann_height
        self.table = BoxTable(ann_file, num_boxes) if ann_file is not None else None
        if self.table and ann_height and (doubt := self.table.doubt_height(ann_height)):
            warnings.warn(doubt, stacklevel=2)

    def transform(self, results: dict) -> dict:
        """Add ``boxes``."""
        if self.table is not None:
            boxes = self._from_file(self.table, results)  # (clips * T, N, 4)
        elif 'gt_bboxes' in results:
            boxes = self._from_dataset(results)
        else:
            raise ValueError('the dataset gives no gt_bboxes; name a file of boxes with ann_file of LoadBoxes')
        num_frames = frames_per_clip(results)
        results['boxes'] = boxes.reshape(-1, num_frames, *boxes.shape[1:])
        return results

    def _from_dataset(self, results: dict) -> np.ndarray:
        height, width = results['img_shape']
        given = results['gt_bboxes'][:, : self.num_boxes] / np.array([width, height, width, height])
        boxes = np.broadcast_to(WHOLE_FRAME, (len(given), self.num_boxes, 4)).copy()
        boxes[:, : given.shape[1]] = given
        return boxes

    def _from_file(self, table: BoxTable, results: dict) -> np.ndarray:
        size, wanted = annotated_size(results, self.ann_height), frame_numbers(results)
        tracks = table.read(video_path(results), size, sure=self.ann_height is not None)
        if not len(tracks.numbers):
            return np.broadcast_to(WHOLE_FRAME, (len(wanted), self.num_boxes, 4)).copy()
        boxes = tracks.boxes[np.abs(tracks.numbers - wanted[:, None]).argmin(1)]
        return np.where(np.isnan(boxes), WHOLE_FRAME, boxes)
