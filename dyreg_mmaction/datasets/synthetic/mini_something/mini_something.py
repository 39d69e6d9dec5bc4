"""`MiniSomething`, a small generated stand-in for Something-Something V2."""

from pathlib import Path

import numpy as np
from mmaction.datasets import VideoDataset

from dyreg_mmaction.registry import DATASETS

from .scenes import CLASSES, NUM_OBJECTS


@DATASETS.register_module()
class MiniSomething(VideoDataset):
    """Textured objects moving over textured backgrounds, in eight classes that only motion tells apart.

    The videos are made once by tools/data/make_mini_something.py. As their folder is laid out as MMAction2's
    data/sthv2, a plain `VideoDataset` reads it too.

    Args:
        data_root: The folder given to make_mini_something.py.
        split: 'train' or 'val'.
        **kwargs: As for MMAction2's `VideoDataset`, `pipeline` among them.

    Raises:
        FileNotFoundError: If the videos have not been made.
        ValueError: If `split` is neither 'train' nor 'val'.
    """

    METAINFO = dict(classes=tuple(action.label for action in CLASSES))

    def __init__(self, data_root: str = 'data/mini_something', split: str = 'train', **kwargs) -> None:
        if split not in ('train', 'val'):
            raise ValueError(f"split must be 'train' or 'val', not {split!r}")
        ann_file = f'sthv2_{split}_list_videos.txt'
        if not (Path(data_root) / ann_file).is_file():
            raise FileNotFoundError(
                f'{data_root} holds no finished MiniSomething: make it with '
                f"'python tools/data/make_mini_something.py {data_root}'"
            )
        super().__init__(ann_file, data_root=data_root, data_prefix=dict(video='videos'), **kwargs)

    @staticmethod
    def own_objects(settings: dict) -> dict | None:
        """LoadObjects for the boxes of the dataset of this config."""
        boxes = Path(settings.get('data_root', 'data/mini_something'), 'bounding_box_annotations.json')
        return dict(type='LoadObjects', ann_file=str(boxes)) if boxes.is_file() else None

    def get_data_info(self, idx: int) -> dict:
        """A video's path and label, and ``acting`` (K,), which of its objects its class is about."""
        info = super().get_data_info(idx)
        return dict(info, acting=np.arange(NUM_OBJECTS) < CLASSES[info['label']].num_actors)
