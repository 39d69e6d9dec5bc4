"""Pipelines that keep the frames they start from, and what becomes of them."""

import copy
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from dyreg_mmaction.datasets.boxes.with_boxes import MOVES
from dyreg_mmaction.registry import TRANSFORMS

from .clip import WHOLE_VIEW

KEPT = ('source', 'view', 'objects', 'acting')
META = ('filename', 'frame_dir', 'video_id', 'frame_inds', 'start_index', 'total_frames', 'avg_fps')
# what neither moves pixels nor makes other frames of them
STILL = ('LoadBoxes', 'LoadObjects', 'FormatShape', 'PackActionInputs', 'ColorJitter', 'WithBoxes')


@TRANSFORMS.register_module()
class KeepSource(BaseTransform):
    """Keep the decoded frames: ``source`` (clips, T, H, W, C) uint8, and two boxes that :class:`.WithBoxes` moves.

    These are ``view`` (clips, T, 2, 4): the whole frame and its upper left quarter, from which the place of each view
    in the frame follows, flips too.
    """

    def transform(self, results: dict) -> dict:
        """Add ``source`` and ``view``."""
        num_frames = results['clip_len'] if results['clip_len'] > 1 else results['num_clips']
        frames = np.stack(results['imgs'])
        results['source'] = frames.reshape(-1, num_frames, *frames.shape[1:])
        results['view'] = np.broadcast_to(WHOLE_VIEW, (len(results['source']), num_frames, 2, 4))
        return results


def keep_source(pipeline: Sequence[dict], objects: dict | None = None) -> list[dict]:
    """The pipeline with :class:`KeepSource` behind its decoding, if it is known how it moves pixels.

    Args:
        pipeline (Sequence[dict]): Of a dataset, up to PackActionInputs.
        objects (dict, optional): LoadObjects to put there too, in place of what there is.
    """
    steps = copy.deepcopy(list(pipeline))
    decoding = [i for i, step in enumerate(steps) if 'Decode' in str(step['type'])]
    start = decoding[-1] + 1 if decoding else 0
    traced = [_trace(step) for step in steps[start:]]
    if None in traced:
        return steps
    load = [dict(type='KeepSource')]
    if objects is not None:
        load.append(objects)
        traced = [step for step in traced if step is not None and step['type'] != 'LoadObjects']
    steps = [*steps[:start], *load, *(step for step in traced if step is not None)]
    steps[-1] = _pack_more(steps[-1])
    return steps


def _trace(step: dict) -> dict | None:
    if step['type'] in STILL:
        return step
    kind = TRANSFORMS.get(step['type'])
    if kind is not None and issubclass(kind, tuple(MOVES)):
        return dict(type='WithBoxes', transforms=[step])
    return None


def _pack_more(pack: dict) -> dict:
    default = ('img_shape', 'img_key', 'video_id', 'timestamp')
    return dict(
        pack,
        algorithm_keys=tuple(dict.fromkeys((*pack.get('algorithm_keys', ()), *KEPT))),
        meta_keys=tuple(dict.fromkeys((*pack.get('meta_keys', default), *META))),
    )
