"""Pipelines that keep the original frames and record how views are cut from them."""

import copy
import logging
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmengine.logging import print_log

from dyreg_mmaction.datasets.boxes.sample import frames_per_clip
from dyreg_mmaction.datasets.boxes.with_boxes import MOVES
from dyreg_mmaction.datasets.video.timeline import read_timeline
from dyreg_mmaction.registry import TRANSFORMS

from .clip import WHOLE_VIEW

KEPT = ('source', 'view', 'objects', 'acting')
META = ('filename', 'frame_dir', 'video_id', 'frame_inds', 'start_index', 'total_frames', 'avg_fps', 'frame_times')
# transforms that do not move pixels
STILL = ('LoadBoxes', 'LoadObjects', 'FormatShape', 'PackActionInputs', 'ColorJitter', 'WithBoxes')


@TRANSFORMS.register_module()
class KeepSource(BaseTransform):
    """Keep the decoded frames as ``source`` (clips, T, H, W, C) uint8, and boxes that record the position of views.

    The boxes ``view`` (clips, T, 2, 4) are the whole frame and its upper left quarter. :class:`.WithBoxes` moves them,
    so they give the position and flips of each view. ``frame_times`` of a video are those of :class:`.VideoInit`, or
    are read here if another transform opened the video.
    """

    def transform(self, results: dict) -> dict:
        """Add ``source``, ``view`` and, for videos, ``frame_times``."""
        if 'filename' in results and 'frame_times' not in results:
            results['frame_times'] = _read_times(results['filename'], results.get('total_frames'))
        num_frames = frames_per_clip(results)
        frames = np.stack(results['imgs'])
        results['source'] = frames.reshape(-1, num_frames, *frames.shape[1:])
        results['view'] = np.broadcast_to(WHOLE_VIEW, (len(results['source']), num_frames, 2, 4))
        return results


def keep_source(pipeline: Sequence[dict], objects: dict | None = None, known: dict | None = None) -> list[dict]:
    """Insert :class:`KeepSource` after the decoding, if all transforms move pixels in a supported way.

    Args:
        pipeline (Sequence[dict]): Pipeline of a dataset, up to PackActionInputs.
        objects (dict, optional): Config of LoadObjects that replaces that of the pipeline.
        known (dict, optional): Default for ``objects``; ignored with a warning if a transform is not supported.

    Returns:
        list[dict]: The new pipeline, or the unchanged one if a transform is not supported.

    Raises:
        ValueError: If ``objects`` is set and a transform is not supported.
    """
    steps = [inner for step in copy.deepcopy(list(pipeline)) for inner in _without_neighbours(step)]
    decoding = [i for i, step in enumerate(steps) if 'Decode' in _name(step)]
    start = decoding[-1] + 1 if decoding else 0
    traced = []
    for step in steps[start:]:
        found = _trace(step)
        if found is None:
            reason = f'boxes cannot follow the transform {_name(step)} of the pipeline'
            if objects is not None:
                raise ValueError(f'objects cannot be drawn because {reason}; remove it, or draw without boxes')
            if known is not None:
                print_log(f'objects are not drawn because {reason}', 'current', logging.WARNING)
            return list(pipeline)
        traced.append(found)
    load = objects or known
    if load:
        traced = [load, *(step for step in traced if _name(step) != 'LoadObjects')]
    steps = [*steps[:start], dict(type='KeepSource'), *traced]
    steps[-1] = _pack_more(steps[-1])
    return steps


def _name(step: dict) -> str:
    kind = step['type']
    return kind.__name__ if isinstance(kind, type) else kind.rpartition('.')[2]


def _without_neighbours(step: dict) -> list[dict]:
    return step['transforms'] if _name(step) == 'WithNeighbours' else [step]


def _trace(step: dict) -> dict | None:
    if _name(step) in STILL:
        return step
    kind = step['type'] if isinstance(step['type'], type) else TRANSFORMS.get(step['type'])
    if kind is not None and issubclass(kind, tuple(MOVES)):
        return dict(type='WithBoxes', transforms=[step])
    return None


def _read_times(filename: str, num_frames: int | None) -> np.ndarray | None:
    """Read the frame times; None if they cannot be read, or if the decoder counts another number of frames."""
    try:
        timeline = read_timeline(fileio.get(filename))
    except (ImportError, OSError, ValueError):
        return None
    return timeline.times if timeline.num_frames == num_frames else None


def _pack_more(pack: dict) -> dict:
    default = ('img_shape', 'img_key', 'video_id', 'timestamp')
    return dict(
        pack,
        algorithm_keys=tuple(dict.fromkeys((*pack.get('algorithm_keys', ()), *KEPT))),
        meta_keys=tuple(dict.fromkeys((*pack.get('meta_keys', default), *META))),
    )
