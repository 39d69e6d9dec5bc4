"""`MiniSomething`, a small generated replacement for Something-Something V2."""

from pathlib import Path

import numpy as np
from mmaction.datasets import VideoDataset

from dyreg_mmaction.registry import DATASETS

from .scenes import CLASSES, NUM_OBJECTS


@DATASETS.register_module()
class MiniSomething(VideoDataset):
    """Textured objects that move over textured backgrounds, in eight classes that differ only in motion.

    The videos are generated once by tools/data/make_mini_something.py. The folder has the layout of MMAction2's
    data/sthv2, so a plain `VideoDataset` can read it too.

    Args:
        data_root: The folder passed to make_mini_something.py.
        split: 'train' or 'val'.
        **kwargs: Arguments of MMAction2's `VideoDataset`, such as `pipeline`.

    Raises:
        FileNotFoundError: If the videos have not been generated.
        ValueError: If `split` is neither 'train' nor 'val'.
    """

    METAINFO = dict(classes=tuple(action.label for action in CLASSES))

    def __init__(self, data_root: str = 'data/mini_something', split: str = 'train', **kwargs) -> None:
        if split not in ('train', 'val'):
            raise ValueError(f"split is {split!r}, but must be 'train' or 'val'")
        ann_file = f'sthv2_{split}_list_videos.txt'
        if not (Path(data_root) / ann_file).is_file():
            raise FileNotFoundError(
                f'{data_root} does not contain a complete MiniSomething; generate it with '
                f"'python tools/data/make_mini_something.py {data_root}'"
            )
        super().__init__(ann_file, data_root=data_root, data_prefix=dict(video='videos'), **kwargs)

    @staticmethod
    def own_objects(settings: dict) -> dict | None:
        """Return the config of LoadObjects for the boxes of the dataset with these settings."""
        boxes = Path(settings.get('data_root', 'data/mini_something'), 'bounding_box_annotations.json')
        return dict(type='LoadObjects', ann_file=str(boxes)) if boxes.is_file() else None

    def get_data_info(self, idx: int) -> dict:
        """Return a video's path and label, and ``acting`` (K,), which marks the acting objects."""
        info = super().get_data_info(idx)
        return dict(info, acting=np.arange(NUM_OBJECTS) < CLASSES[info['label']].num_acting)
