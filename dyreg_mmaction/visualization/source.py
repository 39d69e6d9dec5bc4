"""Pipelines that keep the frames they start from, and what becomes of them."""

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
# what neither moves pixels nor makes other frames of them
STILL = ('LoadBoxes', 'LoadObjects', 'FormatShape', 'PackActionInputs', 'ColorJitter', 'WithBoxes')


@TRANSFORMS.register_module()
class KeepSource(BaseTransform):
    """Keep the decoded frames: ``source`` (clips, T, H, W, C) uint8, and two boxes that :class:`.WithBoxes` moves.

    These are ``view`` (clips, T, 2, 4): the whole frame and its upper left quarter, from which the place of each view
    in the frame follows, flips too. ``frame_times`` of a video are kept as :class:`.VideoInit` gives them, or read
    here where another transform has opened it.
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
    """The pipeline with :class:`KeepSource` after its decoding, if it is known how it moves pixels.

    Args:
        pipeline (Sequence[dict]): Of a dataset, up to PackActionInputs.
        objects (dict, optional): LoadObjects to put there too, in place of what there is.
        known (dict, optional): LoadObjects to put there where none is asked for; left out, with a warning, if it is not
            known how the pipeline moves pixels.

    Raises:
        ValueError: If there are ``objects``, and it is not known how the pipeline moves pixels.
    """
    steps = [inner for step in copy.deepcopy(list(pipeline)) for inner in _without_neighbours(step)]
    decoding = [i for i, step in enumerate(steps) if 'Decode' in _name(step)]
    start = decoding[-1] + 1 if decoding else 0
    traced = []
    for step in steps[start:]:
        found = _trace(step)
        if found is None:
            reason = f'it is not known how the transform {_name(step)} of the pipeline moves pixels'
            if objects is not None:
                raise ValueError(f'boxes of objects cannot be drawn, as {reason}; leave it out, or draw without boxes')
            if known is not None:
                print_log(f'boxes of objects are not drawn, as {reason}', 'current', logging.WARNING)
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
    """None where they cannot be read, or where a decoder counts frames in another way."""
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
