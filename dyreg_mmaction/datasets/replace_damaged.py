"""Samples that cannot be read give way to others, and say so."""

from collections.abc import Callable
from traceback import walk_tb
from typing import Any

import mmcv.transforms
import mmengine.dataset
from torch.utils.data import Subset

from dyreg_mmaction.registry import DATASETS

from .layers import load_through

ATTEMPTS = 50  # so many in a row are no accident
# the functions that call a transform, and the name that each has for what the transform gets
CALLS = {
    mmcv.transforms.BaseTransform.__call__.__code__: 'results',
    mmcv.transforms.Compose.transform.__code__: 'results',
    mmengine.dataset.Compose.__call__.__code__: 'data',
}


@DATASETS.register_module(name='ReplaceDamaged')
def build_replacing(dataset_type: str | type, **settings: Any) -> Any:
    """Build a dataset whose DataLoaders replace what cannot be read, see :func:`replace_damaged`.

    Args:
        dataset_type (str | type): The type of the dataset; its own settings follow, at the place where they would be
            without this one.
    """
    dataset = DATASETS.build(dict(type=dataset_type, **settings))
    load_through(dataset, replace_damaged)
    return dataset


def replace_damaged(dataset: Any, load: Callable[[int], dict], index: int) -> dict:
    """The sample, or the next one of the dataset that can be read.

    What replaces another has ``damaged`` in the metainfo of its data sample: by path, why it and those between could
    not be read. The hook :class:`.DamagedSamples` counts these, stops a training in which they are many, and has those
    of a test scored as wrong. In test mode the label is that of the sample that cannot be read. What a transform raises
    when it has got its frames is no damage, and is raised; so is every error where samples have no data samples to
    report it in.

    Raises:
        RuntimeError: If 50 samples in a row cannot be read.
    """
    damaged: dict[str, str] = {}
    first: Exception | None = None
    for other in range(index, index + min(ATTEMPTS, len(dataset))):
        try:
            sample = load(other % len(dataset))
            break
        except Exception as error:  # every decoder has its own kinds
            if _has_frames(error):
                raise
            first = first or error
            reason = f'{type(error).__name__}: {error}'.splitlines()[0]
            damaged[_path(dataset, other % len(dataset))] = reason
    else:
        raise RuntimeError(f'none of {len(damaged)} samples in a row can be read; {_first(damaged)}')
    if first is None:
        return sample
    label = _info(dataset, index).get('label') if _test_mode(dataset) else None
    for copy in sample if isinstance(sample, list) else [sample]:  # a list: RepeatAugDataset's
        if not isinstance(copy, dict) or 'data_samples' not in copy or (_test_mode(dataset) and label is None):
            raise first
        copy['data_samples'].set_metainfo(dict(damaged=damaged))
        if label is not None:
            copy['data_samples'].set_gt_label(label)
    return sample


def _has_frames(error: Exception) -> bool:
    """Whether the transform that raised the error, the innermost one, had got all frames of the sample."""
    given: dict = {}
    for frame, _ in walk_tb(error.__traceback__):
        if name := CALLS.get(frame.f_code):
            given = frame.f_locals[name]
    images = given.get('imgs')
    # OpenCV returns None for what it cannot decode
    return images is not None and len(images) > 0 and all(image is not None for image in images)


def _test_mode(dataset: Any) -> bool:
    """Of the dataset, or of those that it repeats or concatenates."""
    inner = [*getattr(dataset, 'datasets', ()), *filter(None, [getattr(dataset, 'dataset', None)])]
    return bool(getattr(dataset, 'test_mode', False)) or any(map(_test_mode, inner))


def _info(dataset: Any, index: int) -> dict:
    """What the dataset knows of a sample without reading it: {} where it is no MMEngine dataset."""
    if isinstance(dataset, Subset):
        return _info(dataset.dataset, dataset.indices[index])
    return dataset.get_data_info(index) if hasattr(dataset, 'get_data_info') else {}


def _path(dataset: Any, index: int) -> str:
    info = _info(dataset, index)
    return str(info.get('filename') or info.get('frame_dir') or f'sample {index}')


def _first(damaged: dict[str, str]) -> str:
    path, reason = next(iter(damaged.items()))
    return f'{path}: {reason}'
