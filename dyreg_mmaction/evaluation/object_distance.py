"""Distance between regions and annotated objects (DyReg-GNN, eq. 15-16), and related metrics."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import METRICS

from .distances import count_frames, frame_distances, harmonic_mean, mean

AVERAGES = ('frames', 'videos')


@METRICS.register_module()
class ObjectDistance(BaseMetric):
    """Distance between the centres of regions and of objects, of all nodes of every plugin.

    As in the paper, numbers of a frame are averaged over its nodes or boxes, then over all frames of the dataset that
    have boxes. Boxes are clipped to what the network sees: of an object at the edge of a crop the visible rectangle
    counts, and an object outside it is not seen. The config also needs
    ``custom_hooks=[dict(type='AttachRegionsHook')]``, and the pipeline ``LoadObjects``, ``WithBoxes`` and
    ``PackActionInputs(algorithm_keys=('objects', 'acting'))``.

    - ``dist_p``, ``dist_r``, ``dist``: node to nearest box, box to nearest node, and the harmonic mean of the two;
    - ``inside``: share of boxes with a centre inside (pointing game);
    - ``switches``: share of frames in which another node than before is the nearest to an object;
    - ``dist_acting``: ``dist_r`` of the objects that the class is about, where the dataset knows them;
    - ``videos``, ``videos_without_boxes``, ``frames``, ``frames_without_boxes``: what was measured and what was not;
    - ``videos_damaged``: samples that could not be read; what replaced them is not measured.

    They are means over the plugins; where there are several, each has its own after its path. Where no frame has a box,
    ``dist`` is nan, and a warning is logged.

    Args:
        collect_device (str): 'cpu' or 'gpu', where results of several processes meet.
        prefix (str, optional): In front of each name; None: 'object'.
        average (str): 'frames': over all frames of the dataset, as in the paper; 'videos': over the frames of each
            video first, so that every video counts the same.

    Raises:
        ValueError: If ``average`` is unknown.

    Source: DyReg-GNN (NeurIPS 2021), appendix F.3, eq. 15 and 16.
    """

    default_prefix = 'object'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None, average: str = 'frames') -> None:
        super().__init__(collect_device, prefix)
        if average not in AVERAGES:
            raise ValueError(f'average={average!r} is unknown; choose one of {AVERAGES}')
        self.average = average

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Measure the videos of a batch.

        Raises:
            ValueError: If data samples have no regions or no objects.
        """
        for sample in data_samples:
            if not sample.get('regions'):
                raise ValueError(
                    'ObjectDistance got predictions without regions; add '
                    "custom_hooks=[dict(type='AttachRegionsHook')] to the config, and do not compile the model"
                )
            if 'objects' not in sample:
                raise ValueError(
                    'ObjectDistance got data samples without objects; put LoadObjects into the pipeline, WithBoxes '
                    "around its resizing and crops, and algorithm_keys=('objects', 'acting') into PackActionInputs"
                )
            # one result per sample, damaged or not: with several processes MMEngine drops repeated ones by their place
            self.results.append({} if sample.get('damaged') else _totals(sample))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Average over frames or videos, and over plugins."""
        measured = [video for video in results if video]
        paths = measured[0]['plugins'] if measured else {}
        by_plugin = {path: self._average([video['plugins'][path] for video in measured]) for path in paths}
        metrics = _with_harmonic(_over_plugins(list(by_plugin.values())))
        if len(by_plugin) > 1:
            own = {path: _with_harmonic(numbers) for path, numbers in by_plugin.items()}
            metrics.update({f'{path}/{name}': value for path in own for name, value in own[path].items()})
        frames, without = (np.array([video[key] for video in measured], int) for key in ('frames', 'without'))
        if without.sum() == frames.sum():
            print_log(
                f'ObjectDistance measured nothing: of {len(results)} videos {len(results) - len(measured)} could not '
                f'be read, and none of the {frames.sum()} frames of the others has a box in what the network sees; '
                'check ann_file of LoadObjects',
                'current',
                logging.WARNING,
            )
        metrics.update(
            videos=int((without < frames).sum()),
            videos_without_boxes=int((without == frames).sum()),
            videos_damaged=len(results) - len(measured),
            frames=int(frames.sum()),
            frames_without_boxes=int(without.sum()),
        )
        return metrics

    def _average(self, videos: list[dict[str, tuple[float, int]]]) -> dict[str, float]:
        """Means of what was measured in any of the videos."""
        means = {}
        for name in videos[0]:
            totals = np.array([video[name] for video in videos if video[name][1]], float).reshape(-1, 2)
            if self.average == 'videos':
                totals /= totals[:, 1:]
            if len(totals):
                means[name] = mean(*totals.sum(0))
        return means


def measure_sample(sample: dict) -> dict[str, dict[str, np.ndarray]]:
    """Distances in the frames of a video by the path of each plugin, see :func:`.frame_distances`.

    Args:
        sample (dict): A data sample with ``regions`` and ``objects``, and perhaps ``acting``.

    Raises:
        ValueError: If its objects are not of the views and frames of its regions.
    """
    objects = np.asarray(sample['objects'], float)
    acting = sample.get('acting')
    acting = None if acting is None else np.asarray(acting, bool)
    return {
        path: frame_distances(regions.center.double().numpy(), objects_of_frames(objects, regions), acting)
        for path, regions in sample['regions'].items()
    }


def objects_of_frames(objects: np.ndarray, regions: Regions) -> np.ndarray:
    """Objects (V, T, K, 4) in the frames that regions (V, T', N, 2) are of: the middle one of each T / T'."""
    views, frames = objects.shape[:2]
    own_views, own_frames = regions.center.shape[:2]
    if own_views != views or own_frames > frames:
        raise ValueError(
            f'objects of {views} clips of {frames} frames do not fit regions of {own_views} clips of {own_frames} '
            'frames; put LoadObjects after the decoding and WithBoxes around all that moves pixels'
        )
    return objects[:, (np.arange(own_frames) * 2 + 1) * frames // (2 * own_frames)]


def _totals(sample: dict) -> dict[str, Any]:
    """Sum and number of the values of each distance, by plugin, and the frames they are of."""
    frames, without = count_frames(np.asarray(sample['objects'], float))
    plugins = {
        path: {name: (float(values.sum()), len(values)) for name, values in distances.items()}
        for path, distances in measure_sample(sample).items()
    }
    return dict(plugins=plugins, frames=frames, without=without)


def _over_plugins(plugins: list[dict[str, float]]) -> dict[str, float]:
    """Means over the plugins that have a number."""
    known = {name: [own[name] for own in plugins if name in own] for numbers in plugins for name in numbers}
    return {name: mean(sum(values), len(values)) for name, values in known.items()}


def _with_harmonic(numbers: dict[str, float]) -> dict[str, float]:
    """The distance first, which is nan where nothing was measured."""
    nan = float('nan')
    return dict(dist=harmonic_mean(numbers.get('dist_p', nan), numbers.get('dist_r', nan)), **numbers)
