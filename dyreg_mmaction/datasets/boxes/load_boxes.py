"""Loading of the object boxes of a clip, as (x1, y1, x2, y2) in 0..1 of the frame."""

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
    """Add the boxes of the sampled frames, one per node: ``boxes`` (clips, T, N, 4).

    Place it after decoding and before any transform that moves pixels. Without ``ann_file`` the dataset's ``gt_bboxes``
    ``(T, D, 4)``, in pixels, are used in their order. With ``ann_file``:

    - The N boxes with the highest scores of each annotated frame are kept, or the first N if the file has no scores.
    - Boxes are matched to the nodes of the previous annotated frame by the Hungarian algorithm on the overlap (IoU). A
      box without overlap gets the node of a nearby object of the previous frame that has no box in this frame, else a
      free node, else the node of the nearest object that has no box in this frame (:func:`match_boxes`).
    - A node without a box in a frame keeps its last box; before its first box, it has its first box.
    - A frame without annotation has the boxes of the nearest annotated frame.
    - A node that never has a box covers the whole frame, as do all nodes of a video without boxes.

    Args:
        num_boxes (int): Number of boxes N; equal to ``num_nodes`` of the plugins.
        ann_file (str | Sequence[str], optional): JSON file in the format of Something-Else (also MiniSomething's), a
            list of such files, or a folder with one such file per video, as written by tools/data/extract_boxes.py.
        ann_height (int, optional): Height in pixels of the annotated frames. Required if the file does not provide it
            and the videos were resized.

    Raises:
        FileNotFoundError: If the file or folder does not exist.
        ValueError: If ``num_boxes`` is not positive, the sample has no boxes, or boxes exceed the frame.
    """

    def __init__(
        self, num_boxes: int = 9, ann_file: str | Sequence[str] | None = None, ann_height: int | None = None
    ) -> None:
        if num_boxes < 1:
            raise ValueError(f'num_boxes is {num_boxes}, but must be at least 1; set it to num_nodes of the plugins')
        self.num_boxes = num_boxes
        self.ann_height = ann_height
        self.table = BoxTable(ann_file, num_boxes) if ann_file is not None else None
        if self.table and ann_height and (warning := self.table.check_height(ann_height)):
            warnings.warn(warning, stacklevel=2)

    def transform(self, results: dict) -> dict:
        """Add ``boxes``."""
        if self.table is not None:
            boxes = self._from_file(self.table, results)  # (clips * T, N, 4)
        elif 'gt_bboxes' in results:
            boxes = self._from_dataset(results)
        else:
            raise ValueError('the dataset provides no gt_bboxes; set ann_file of LoadBoxes to a box file')
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
