"""Samples that cannot be read give way to others, and say so."""

from traceback import walk_tb
from typing import Any

from mmengine.dataset import Compose

from dyreg_mmaction.registry import DATASETS

ATTEMPTS = 50  # so many in a row are no accident


@DATASETS.register_module()
class ReplaceDamaged:
    """A dataset in which the next sample that can be read stands for one that cannot.

    What stands for another has ``damaged`` in the metainfo of its data sample: by path, why it and those between could
    not be read. The hook :class:`.DamagedSamples` counts these, stops a training in which they are many, and has those
    of a test scored as wrong. In test mode the label is that of the sample that cannot be read. What a transform raises
    when it has got its frames is no damage, and is raised.

    Args:
        dataset_type (str): The type of the dataset; its own settings follow, at the place where they would be without
            this one.

    Raises:
        RuntimeError: If 50 samples in a row cannot be read.
    """

    def __init__(self, dataset_type: str, **settings: Any) -> None:
        self.dataset = DATASETS.build(dict(type=dataset_type, **settings))
        self.metainfo = self.dataset.metainfo
        self.test_mode = settings.get('test_mode', False)

    def full_init(self) -> None:
        """Read the list, once."""
        self.dataset.full_init()

    def get_data_info(self, index: int) -> dict:
        """What the dataset knows of a sample before it is read."""
        return self.dataset.get_data_info(index)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        damaged: dict[str, str] = {}
        for other in range(index, index + min(ATTEMPTS, len(self))):
            try:
                sample = self.dataset[other % len(self)]
                break
            except Exception as error:  # every decoder has its own kinds
                if _has_frames(error):
                    raise
                reason = f'{type(error).__name__}: {error}'.splitlines()[0]
                damaged[self._path(other % len(self))] = reason
        else:
            raise RuntimeError(f'none of {len(damaged)} samples in a row can be read; {_first(damaged)}')
        if damaged:
            sample['data_samples'].set_metainfo(dict(damaged=damaged))
            if self.test_mode:
                sample['data_samples'].set_gt_label(self.get_data_info(index)['label'])
        return sample

    def _path(self, index: int) -> str:
        info = self.get_data_info(index)
        return str(info.get('filename') or info.get('frame_dir') or f'sample {index}')


def _has_frames(error: Exception) -> bool:
    """Whether a pipeline raised the error when all frames of the sample were there."""
    calls = [frame.f_locals for frame, _ in walk_tb(error.__traceback__) if frame.f_code is Compose.__call__.__code__]
    images = calls[0]['data'].get('imgs') if calls else None
    return images is not None and all(image is not None for image in images)  # OpenCV's word for what it cannot decode


def _first(damaged: dict[str, str]) -> str:
    path, reason = next(iter(damaged.items()))
    return f'{path}: {reason}'
