"""Linear probe of regions: how well centers and sizes alone predict the class."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from dyreg_mmaction.registry import METRICS

from .object_distance import objects_of_frames

FOLDS = 5
VIDEOS_PER_VALUE = 10


@METRICS.register_module()
class RegionProbe(BaseMetric):
    """Accuracy of a linear classifier of the regions, which sees nothing else of the videos.

    The network that predicts regions sees whole frames and can encode the class in centers and sizes. If the class can
    be read linearly from the regions, but not from the positions of objects, as for the question whether two objects
    move in sync, this network has computed it, or the regions depend on the appearance of the objects.

    - ``regions``: accuracy of logistic regression on the centers and the logarithms of the half sizes of all plugins,
      views, frames and nodes, each standardized, in 5-fold cross-validation over the test videos;
    - ``objects``: the same for the corners of the annotated boxes in these frames, nan unless all videos have as many;
    - ``majority``: the same for the most frequent class of the other folds.

    The config requires ``custom_hooks=[dict(type='AttachRegionsHook')]``; ``objects`` requires ``LoadObjects`` and
    ``PackActionInputs(algorithm_keys=('objects',))``. Unreadable videos are left out. What cannot be measured is
    nan, and a warning says why.

    Args:
        collect_device (str): 'cpu' or 'gpu': device on which results of several processes are collected.
        prefix (str, optional): Prefix of the names. Defaults to 'probe'.

    Raises:
        ImportError: If scikit-learn is not installed.
    """

    default_prefix = 'probe'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        try:
            import sklearn  # noqa: F401
        except ImportError as error:
            raise ImportError(
                'RegionProbe needs scikit-learn, which is not installed: pip install scikit-learn'
            ) from error

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the regions, the boxes and the label of each video of a batch.

        Raises:
            ValueError: If data samples have no regions, or not exactly one label.
        """
        for sample in data_samples:
            if not sample.get('regions'):
                raise ValueError(
                    "RegionProbe got predictions without regions; add custom_hooks=[dict(type='AttachRegionsHook')] to "
                    'the config, and do not compile the model'
                )
            if sample.get('damaged'):
                self.results.append({})  # MMEngine drops repeated samples by index
                continue
            labels = torch.as_tensor(sample.get('gt_label', ())).flatten().tolist()
            if len(labels) != 1 or labels[0] < 0:
                raise ValueError(
                    f'RegionProbe needs one label, 0 or more, per video, but got {len(labels)} labels: {labels[:3]}; '
                    'remove it from the evaluators of datasets with several or no labels'
                )
            plugins = [plugin for _, plugin in sorted(sample['regions'].items())]
            values = [
                value.double().numpy().ravel() for each in plugins for value in (each.center, each.half_size.log())
            ]
            result = dict(label=labels[0], regions=np.concatenate(values))
            if sample.get('objects') is not None:
                result['objects'] = objects_of_frames(np.asarray(sample['objects'], float), plugins[0]).ravel()
            self.results.append(result)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Fit the classifiers."""
        videos = [video for video in results if video]
        labels = np.array([video['label'] for video in videos])
        if len(videos) < FOLDS or len(set(labels)) < 2:
            _warn(
                f'{len(videos)} readable videos of {len(set(labels))} classes; use at least {FOLDS} videos of 2 classes'
            )
            return dict.fromkeys(('regions', 'majority'), math.nan)
        names = ['regions', 'objects'] if any('objects' in video for video in videos) else ['regions']
        metrics = {name: _probe(name, [video.get(name, np.empty(0)) for video in videos], labels) for name in names}
        return dict(metrics, majority=linear_probe(np.zeros((len(videos), 1)), labels))


def _probe(name: str, values: list[np.ndarray], labels: np.ndarray) -> float:
    """Return the accuracy of a linear classifier, nan with a warning if the values do not allow it."""
    sizes = sorted({len(each) for each in values})
    if len(sizes) > 1:
        _warn(
            f'videos have {sizes[0]} to {sizes[-1]} numbers for their {name}, so {name} are not measured; all videos '
            f'need as many views, frames and {name}'
        )
        return math.nan
    if unknown := sum(not np.isfinite(each).all() for each in values):
        _warn(f'{name} of {unknown} of {len(values)} videos are missing or not finite, so {name} are not measured')
        return math.nan
    if len(values) < VIDEOS_PER_VALUE * sizes[0]:
        _warn(
            f'{len(values)} videos are few for {sizes[0]} numbers of {name} each, so the accuracy may be too low; use '
            f'at least {VIDEOS_PER_VALUE * sizes[0]} videos'
        )
    return linear_probe(np.stack(values), labels)


def linear_probe(values: np.ndarray, labels: np.ndarray) -> float:
    """Return the accuracy of logistic regression in 5-fold cross-validation.

    Args:
        values (np.ndarray): ``(V, D)`` values of V videos. If all are constant, the most frequent class is predicted.
        labels (np.ndarray): ``(V,)`` classes.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    correct = 0
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(values):
        one_class = len(set(labels[train])) == 1  # which logistic regression does not accept
        probe = make_pipeline(StandardScaler(), DummyClassifier() if one_class else LogisticRegression(max_iter=1000))
        correct += (probe.fit(values[train], labels[train]).predict(values[test]) == labels[test]).sum()
    return correct / len(labels)


def _warn(problem: str) -> None:
    print_log(f'RegionProbe: {problem}', 'current', logging.WARNING)
