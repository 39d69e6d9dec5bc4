"""Boxes of objects that travel with a clip through the pipeline, as (x1, y1, x2, y2) in 0..1 of the frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmaction.datasets import transforms as mm
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS
from .box_files import BoxFiles, match_boxes
from .crops import TSMCrop

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
            its parts, or a folder with such a file a video, as tools/extract_boxes.py writes it.
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
        self.files = BoxFiles(ann_file) if ann_file is not None else None

    def transform(self, results: dict) -> dict:
        """Add ``boxes``."""
        if self.files is not None:
            boxes = self._from_file(self.files, results)  # (clips * T, N, 4)
        elif 'gt_bboxes' in results:
            boxes = self._from_dataset(results)
        else:
            raise ValueError('the dataset gives no gt_bboxes; name a file of boxes with ann_file of LoadBoxes')
        num_frames = results['clip_len'] if results['clip_len'] > 1 else results['num_clips']
        results['boxes'] = boxes.reshape(-1, num_frames, *boxes.shape[1:])
        return results

    def _from_dataset(self, results: dict) -> np.ndarray:
        height, width = results['img_shape']
        given = results['gt_bboxes'][:, : self.num_boxes] / np.array([width, height, width, height])
        boxes = np.broadcast_to(WHOLE_FRAME, (len(given), self.num_boxes, 4)).copy()
        boxes[:, : given.shape[1]] = given
        return boxes

    def _from_file(self, files: BoxFiles, results: dict) -> np.ndarray:
        height, width = results.get('original_shape', results['img_shape'])
        if self.ann_height is not None:
            height, width = self.ann_height, width * self.ann_height / height
        video = Path(results.get('filename') or results['frame_dir'])
        numbers, frames = files.read(video, (height, width), self.num_boxes)
        wanted = np.asarray(results['frame_inds']) - results['start_index']
        if not len(numbers):
            return np.broadcast_to(WHOLE_FRAME, (len(wanted), self.num_boxes, 4)).copy()
        tracks = match_boxes(frames, self.num_boxes)
        tracks[np.isnan(tracks).any(-1)] = WHOLE_FRAME
        return tracks[np.abs(numbers - wanted[:, None]).argmin(1)]


@TRANSFORMS.register_module()
class WithBoxes(BaseTransform):
    """Transforms of frames, and their boxes moved just as the pixels are.

    MMAction2's transforms know boxes too, but shrink those at the edge of a crop by a pixel, and ThreeCrop and TenCrop
    do not move them. Boxes are not clipped: what leaves the frame in a crop is known to have left it.

    Args:
        transforms (Sequence[dict]): ``Resize``, crops, ``Flip`` and what leaves pixels where they are.

    Raises:
        ValueError: If it is not known how one of the transforms moves pixels.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = [TRANSFORMS.build(transform) for transform in transforms]
        self.moves = [_find_move(transform) for transform in self.transforms]

    def transform(self, results: dict) -> dict | None:
        """Run the transforms; move ``boxes``."""
        for transform, move in zip(self.transforms, self.moves, strict=True):
            size = results['img_shape']
            results = transform(results)
            if results is None:
                return None
            results['boxes'] = move(results['boxes'], size, results)
        return results


def _stay(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    return boxes


def _crop(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    return _cut(boxes, size, results['crop_bbox'])


def _crops(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    num_frames = boxes.shape[0] * boxes.shape[1]
    return np.concatenate([_cut(boxes, size, crop) for crop in results['crop_bbox'][::num_frames]])


def _ten_crop(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    crops = _crops(boxes, size, results).reshape(-1, *boxes.shape)
    crops[1::2] = _mirror(crops[1::2], (0, 2))
    return crops.reshape(-1, *boxes.shape[1:])


def _flip(boxes: np.ndarray, size: tuple[int, int], results: dict) -> np.ndarray:
    if not results['flip']:
        return boxes
    return _mirror(boxes, (0, 2) if results['flip_direction'] == 'horizontal' else (1, 3))


def _cut(boxes: np.ndarray, size: tuple[int, int], crop: np.ndarray) -> np.ndarray:
    """Boxes in the crop (left, top, right, bottom), in pixels of a frame of ``size`` = (H, W)."""
    left, top, right, bottom = crop
    pixels = boxes * np.array([size[1], size[0], size[1], size[0]])
    return (pixels - [left, top, left, top]) / [right - left, bottom - top, right - left, bottom - top]


def _mirror(boxes: np.ndarray, axes: tuple[int, int]) -> np.ndarray:
    low, high = axes
    boxes = boxes.copy()
    boxes[..., low], boxes[..., high] = 1 - boxes[..., high], 1 - boxes[..., low]
    return boxes


# The crops of one clip are subclasses of RandomCrop; coordinates are parts of the frame, so that resizing keeps them
MOVES = {
    mm.RandomCrop: _crop,
    mm.ThreeCrop: _crops,
    mm.TenCrop: _ten_crop,
    TSMCrop: _crops,
    mm.Flip: _flip,
    mm.Resize: _stay,
    mm.RandomRescale: _stay,
    mm.ColorJitter: _stay,
}


def _find_move(transform: BaseTransform):
    for kind, move in MOVES.items():
        if isinstance(transform, kind):
            return move
    raise ValueError(
        f'WithBoxes does not know how {type(transform).__name__} moves pixels; it knows '
        f'{", ".join(kind.__name__ for kind in MOVES)} and the other crops'
    )
