"""Linear probe of regions: how well centers and sizes alone tell the class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from dyreg_mmaction.registry import METRICS

FOLDS = 5


@METRICS.register_module()
class RegionProbe(BaseMetric):
    """Accuracy of a linear classifier of the regions, without any features of the clip.

    A classifier cannot derive the class from the positions of objects if that needs a product, as for the question
    whether two objects move in sync. If it can from the regions, the network that predicts them has already computed
    the class, and accuracy does not show that regions locate objects.

    - ``regions``: accuracy of logistic regression on the centers and half sizes of all nodes, frames and plugins,
      each standardized; mean over 5 folds of the videos;
    - ``objects``: the same from the annotated boxes, if all videos have as many and none is missing;
    - ``majority``: accuracy of always the most frequent class.

    The config requires ``custom_hooks=[dict(type='AttachRegionsHook')]``; ``objects`` requires ``LoadObjects`` and
    ``PackActionInputs(algorithm_keys=('objects',))``. Use at least ten times as many videos as values (4 T N).
    Unreadable videos are left out.

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
            ValueError: If data samples have no regions, or not one label.
        """
        for sample in data_samples:
            if not sample.get('regions'):
                raise ValueError(
                    "RegionProbe got predictions without regions; add custom_hooks=[dict(type='AttachRegionsHook')] to "
                    'the config, and do not compile the model'
                )
            labels = np.asarray(sample['gt_label']).ravel()
            if len(labels) != 1 or labels[0] < 0:
                raise ValueError(f'RegionProbe needs one label per video, but got {labels.tolist()}')
            if sample.get('damaged'):
                self.results.append({})  # MMEngine drops repeated samples by index
                continue
            regions = [value for each in sample['regions'].values() for value in (each.center, each.half_size)]
            result = dict(label=int(labels[0]), regions=np.concatenate([np.ravel(value.cpu()) for value in regions]))
            if 'objects' in sample:
                result['objects'] = np.asarray(sample['objects'], float).ravel()
            self.results.append(result)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Fit the classifiers.

        Raises:
            ValueError: If videos have different numbers of regions, or there are too few videos or classes.
        """
        videos = [video for video in results if video]
        labels = np.array([video['label'] for video in videos])
        if len(videos) < FOLDS or len(set(labels)) < 2:
            raise ValueError(
                f'RegionProbe got {len(videos)} videos of {len(set(labels))} classes; it needs at least {FOLDS} videos '
                'and 2 classes'
            )
        sizes = sorted({len(video['regions']) for video in videos})
        if len(sizes) > 1:
            raise ValueError(
                f'RegionProbe needs as many regions in every video, but videos have {sizes[0]} to {sizes[-1]} values; '
                'use a fixed number of frames and views'
            )
        metrics = dict(regions=linear_probe(np.stack([video['regions'] for video in videos]), labels))
        objects = [video.get('objects', np.empty(0)) for video in videos]
        if len({len(each) for each in objects}) == 1 and objects[0].size and np.isfinite(objects).all():
            metrics['objects'] = linear_probe(np.stack(objects), labels)
        return dict(metrics, majority=np.unique(labels, return_counts=True)[1].max() / len(labels))


def linear_probe(values: np.ndarray, labels: np.ndarray) -> float:
    """Return the accuracy of logistic regression, as the mean over 5 folds.

    Args:
        values (np.ndarray): ``(V, D)`` values of V videos.
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
