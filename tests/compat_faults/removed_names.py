"""Removed names of NumPy and Python."""

import importlib.util
from pathlib import Path

from .registry import fault
from .toys import write_video


@fault('`np.Inf` was removed')
def bring_back_names(folder: Path) -> None:
    import numpy as np
    import torch
    from mmaction.datasets.transforms import PoseCompact
    from mmaction.evaluation import average_recall_at_avg_proposals
    from mmaction.evaluation.functional.ava_evaluation.metrics import compute_average_precision
    from mmaction.evaluation.metrics import RetrievalRecall
    from mmaction.utils import frame_extract

    pose = dict(keypoint=np.full((1, 2, 3, 2), 40.0), img_shape=(100, 100))
    assert PoseCompact(threshold=0).transform(pose)['keypoint'].shape == (1, 2, 3, 2)

    truth = dict(video=np.array([[0, 10.0]]))
    recall = average_recall_at_avg_proposals(truth, dict(video=np.array([[0, 10.0, 0.9]])), 1)
    assert np.isfinite(recall[-1])

    assert np.isnan(compute_average_precision(None, None))
    (recall,) = RetrievalRecall.calculate(torch.tensor([[0.9, 0.1]]), torch.tensor([[1, 0]]), topk=1)
    assert recall == 100

    write_video(folder / 'video.mp4')
    assert frame_extract(str(folder / 'video.mp4'), short_side=32, out_dir=str(folder))[1][0].shape == (32, 48, 3)

    assert hasattr(np, 'Inf') == (np.__version__ < '2'), 'numpy itself is changed'


@fault('TypeError: only 0-dimensional arrays can be converted')
def take_single_elements(folder: Path) -> None:
    import numpy as np
    from mmaction.evaluation.functional import multisports_utils

    tube = np.array([[frame, 0, 0, 10, 10, 1.0] for frame in range(4)])
    assert multisports_utils.iou3dt_voc(tube, tube) == 1
    assert multisports_utils.iou3dt_voc(tube, tube[2:]) == 1 / 3


@fault("has no attribute 'find_loader'")
def bring_back_find_loader(folder: Path) -> None:
    import pkgutil

    from mmcv.utils.ext_loader import check_ops_exist
    from mmengine.utils.dl_utils import mmcv_full_available

    vars(pkgutil).pop('find_loader', None)  # as in Python 3.14
    is_full = importlib.util.find_spec('mmcv._ext') is not None
    assert mmcv_full_available() == check_ops_exist() == is_full
