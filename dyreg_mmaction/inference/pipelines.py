"""Adaptation of test pipelines to other kinds of inputs and to a single view."""

from collections.abc import Callable, Sequence
from typing import Any

from mmaction.datasets import transforms as mm

from dyreg_mmaction.datasets import TSMCrop
from dyreg_mmaction.registry import TRANSFORMS

# transforms that open and decode each kind of input
DECODERS = {'video': ('VideoInit', 'VideoDecode'), 'frames': (None, 'RawFrameDecode'), 'array': (None, 'ArrayDecode')}


def read_pipeline(steps: Sequence[dict], kind: str) -> list[dict]:
    """Adapt a pipeline to a kind of input. Pipelines that read videos are unchanged for videos.

    Args:
        steps (Sequence[dict]): The pipeline.
        kind (str): 'video', 'frames' or 'array'.

    Returns:
        list[dict]: The adapted pipeline.

    Raises:
        ValueError: If the pipeline has no decoding.
    """
    names = [_name(step) for step in _flatten(steps)]
    if not any(name.endswith('Decode') for name in names):
        raise ValueError(
            f'the test pipeline has {", ".join(names)}, but no transform that decodes; use a config whose test '
            'pipeline samples and decodes videos or frames'
        )
    opening, decoding = DECODERS[kind]
    if opening is not None and any(name.endswith('Init') for name in names):
        return list(steps)

    def read(step: dict) -> list[dict]:
        if _name(step).endswith('Init'):
            return []
        return [dict(type=decoding)] if _name(step).endswith('Decode') else [step]

    return [*([dict(type=opening)] if opening else []), *_change(steps, read)]


def without_objects(steps: Sequence[dict]) -> list[dict]:
    """Remove LoadObjects, because only the videos of a dataset have annotated objects."""
    return _change(steps, lambda step: [] if _name(step) == 'LoadObjects' else [step])


def with_boxes(steps: Sequence[dict], boxes: str | None) -> list[dict]:
    """Use ``boxes`` in place of the pipeline's box file, whose boxes may belong to other videos of the same names.

    Raises:
        ValueError: If the pipeline loads boxes from a file and ``boxes`` is None.
    """

    def load(step: dict) -> list[dict]:
        if _name(step) != 'LoadBoxes' or step.get('ann_file') is None:
            return [step]
        if boxes is None:
            raise ValueError(
                f'the nodes of this config are boxes of {step["ann_file"]}, which may not be those of your videos; '
                'extract boxes with tools/data/extract_boxes.py, and pass their file or folder as boxes=...'
            )
        return [dict(step, ann_file=boxes, ann_height=step.get('ann_height') if boxes == step['ann_file'] else None)]

    return _change(steps, load)


def one_view(steps: Sequence[dict]) -> list[dict]:
    """Reduce the pipeline to one crop and one clip, also inside ``WithBoxes`` and similar transforms."""
    return _change(steps, _one_view)


def _one_view(step: dict) -> list[dict]:
    kind = _kind(step)
    step = dict(step)
    if issubclass(kind, mm.ThreeCrop | mm.TenCrop):
        return [dict(type='CenterCrop', crop_size=step['crop_size'])]
    if issubclass(kind, TSMCrop):
        step['num_crops'] = 1
    if issubclass(kind, mm.DenseSampleFrames):
        step['num_sample_positions'] = 1
    if step.get('twice_sample'):
        step['twice_sample'] = False
    if step.get('clip_len', 1) > 1 and 'num_clips' in step:  # with clip_len=1, they are the frames of one clip
        step['num_clips'] = 1
    return [step]


def _change(steps: Sequence[dict], change: Callable[[dict], list[dict]]) -> list[dict]:
    """Replace each transform by those that ``change`` returns, innermost first."""
    changed = []
    for step in steps:
        if inner := _inner(step):
            step = dict(step, transforms=_change(inner, change))
        changed.extend(change(step))
    return changed


def _flatten(steps: Sequence[dict]) -> list[dict]:
    return [each for step in steps for each in (step, *_flatten(_inner(step)))]


def _inner(step: dict) -> Sequence[dict]:
    """Return the transforms inside a transform."""
    inner = step.get('transforms')
    return inner if isinstance(inner, Sequence) and all(isinstance(each, dict) for each in inner) else ()


def _kind(step: dict) -> Any:
    """Return the class of a transform's type (a class, or a name with or without scope); ``object`` if unknown."""
    kind = step['type']
    kind = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
    return kind if isinstance(kind, type) else object


def _name(step: dict) -> str:
    return step['type'].rpartition('.')[2] if isinstance(step['type'], str) else step['type'].__name__
