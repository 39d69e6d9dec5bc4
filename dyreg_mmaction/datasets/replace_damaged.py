"""Replacement of samples that cannot be read by others, recorded in the data sample."""

from collections.abc import Callable
from traceback import walk_tb
from typing import Any

import mmcv.transforms
import mmengine.dataset
from torch.utils.data import Subset

from dyreg_mmaction.registry import DATASETS

from .layers import load_through

ATTEMPTS = 50  # consecutive unreadable samples that raise an error
# the functions that call a transform, and the name of their local variable that holds its input
CALLS = {
    mmcv.transforms.BaseTransform.__call__.__code__: 'results',
    mmcv.transforms.Compose.transform.__code__: 'results',
    mmengine.dataset.Compose.__call__.__code__: 'data',
}


@DATASETS.register_module(name='ReplaceDamaged')
def build_replacing(dataset_type: str | type, **settings: Any) -> Any:
    """Build a dataset whose DataLoaders replace unreadable samples, see :func:`replace_damaged`.

    Args:
        dataset_type (str | type): The type of the dataset.
        **settings: The other keys of the dataset's config.

    Returns:
        Dataset: The dataset.
    """
    dataset = DATASETS.build(dict(type=dataset_type, **settings))
    load_through(dataset, replace_damaged)
    return dataset


def replace_damaged(dataset: Any, load: Callable[[int], dict], index: int) -> dict:
    """Load a sample, or the next sample of the dataset that can be read.

    A replacement has ``damaged`` in the metainfo of its data sample: the reasons by the paths of unreadable samples.
    The hook :class:`.DamagedSamples` counts these, stops a training with too many of them, and makes their
    predictions in a test count as wrong. In test mode the replacement has the label of the unreadable sample. Errors of
    transforms that received decoded frames are raised, as are all errors of samples without data samples.

    Args:
        dataset (Dataset): The dataset.
        load (Callable): Loads the sample of an index.
        index (int): Index of the sample.

    Returns:
        dict: The sample or its replacement.

    Raises:
        RuntimeError: If 50 consecutive samples cannot be read.
    """
    damaged: dict[str, str] = {}
    first: Exception | None = None
    for other in range(index, index + min(ATTEMPTS, len(dataset))):
        try:
            sample = load(other % len(dataset))
            break
        except Exception as error:  # every decoder has its own error classes
            if _has_frames(error):
                raise
            first = first or error
            reason = f'{type(error).__name__}: {error}'.splitlines()[0]
            damaged[_path(dataset, other % len(dataset))] = reason
    else:
        raise RuntimeError(
            f'{len(damaged)} consecutive samples cannot be read; check the data, first {_first(damaged)}'
        )
    if first is None:
        return sample
    label = _info(dataset, index).get('label') if _test_mode(dataset) else None
    for copy in sample if isinstance(sample, list) else [sample]:  # RepeatAugDataset returns a list
        if not isinstance(copy, dict) or 'data_samples' not in copy or (_test_mode(dataset) and label is None):
            raise first
        copy['data_samples'].set_metainfo(dict(damaged=damaged))
        if label is not None:
            copy['data_samples'].set_gt_label(label)
    return sample


def _has_frames(error: Exception) -> bool:
    """Return whether the innermost transform that raised the error had received all frames of the sample."""
    given: dict = {}
    for frame, _ in walk_tb(error.__traceback__):
        if name := CALLS.get(frame.f_code):
            given = frame.f_locals[name]
    images = given.get('imgs')
    # OpenCV returns None for images that it cannot decode
    return images is not None and len(images) > 0 and all(image is not None for image in images)


def _test_mode(dataset: Any) -> bool:
    """Return ``test_mode`` of the dataset or of any dataset that it wraps."""
    inner = [*getattr(dataset, 'datasets', ()), *filter(None, [getattr(dataset, 'dataset', None)])]
    return bool(getattr(dataset, 'test_mode', False)) or any(map(_test_mode, inner))


def _info(dataset: Any, index: int) -> dict:
    """Return the data info of a sample, {} if the dataset is not MMEngine's."""
    if isinstance(dataset, Subset):
        return _info(dataset.dataset, dataset.indices[index])
    return dataset.get_data_info(index) if hasattr(dataset, 'get_data_info') else {}


def _path(dataset: Any, index: int) -> str:
    info = _info(dataset, index)
    return str(info.get('filename') or info.get('frame_dir') or f'sample {index}')


def _first(damaged: dict[str, str]) -> str:
    path, reason = next(iter(damaged.items()))
    return f'{path}: {reason}'
