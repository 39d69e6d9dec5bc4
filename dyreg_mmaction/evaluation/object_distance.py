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
    """Distance between the centers of regions and of objects, for all nodes of every plugin.

    As in the paper, values of a frame are averaged over its nodes or boxes, then over all frames of the dataset that
    have boxes. Boxes are clipped to the crop: for objects at its edge the visible rectangle is used, and objects
    outside are ignored. The config requires ``custom_hooks=[dict(type='AttachRegionsHook')]``, and the pipeline
    requires ``LoadObjects``, ``WithBoxes`` and ``PackActionInputs(algorithm_keys=('objects', 'acting'))``.

    - ``dist_p``, ``dist_r``, ``dist``: node to nearest box, box to nearest node, and their harmonic mean;
    - ``inside``: fraction of boxes that contain a center (pointing game);
    - ``switches``: fraction of frames in which the nearest node of an object changes;
    - ``dist_acting``: ``dist_r`` of the acting objects, if the dataset provides them;
    - ``dist_other``: with ``other=True``, ``dist_r`` of the regions of the previous video with as many views, frames
      and nodes, but other objects: the value of regions that vary as much, but independently of the objects. It is
      missing for a single video;
    - ``videos``, ``videos_without_boxes``, ``frames``, ``frames_without_boxes``: numbers of videos and frames with and
      without boxes;
    - ``videos_damaged``: number of unreadable samples; their replacements are not measured.

    Values are averaged over plugins. With several plugins, the values of each are also reported under its path. If no
    frame has a box, ``dist`` is nan and a warning is logged.

    Args:
        collect_device (str): 'cpu' or 'gpu': device on which results of several processes are collected.
        prefix (str, optional): Prefix of the names. Defaults to 'object'.
        average (str): 'frames': average over all frames of the dataset, as in the paper; 'videos': average over the
            frames of each video first, so that every video has the same weight.
        other (bool): Whether to measure ``dist_other``, for which regions and objects of all videos are kept.

    Raises:
        ValueError: If ``average`` is unknown, or ``other`` is not a bool.

    Source: DyReg-GNN (NeurIPS 2021), appendix F.3, eq. 15 and 16.
    """

    default_prefix = 'object'

    def __init__(
        self, collect_device: str = 'cpu', prefix: str | None = None, average: str = 'frames', other: bool = False
    ) -> None:
        super().__init__(collect_device, prefix)
        if average not in AVERAGES:
            raise ValueError(f'average={average!r} is unknown; choose one of {AVERAGES}')
        if not isinstance(other, bool):
            raise ValueError(f'other is {other!r}, but must be True or False')
        self.average, self.other = average, other

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
                    'ObjectDistance got data samples without objects; add LoadObjects to the pipeline, WithBoxes '
                    "around its resizing and crops, and algorithm_keys=('objects', 'acting') to PackActionInputs"
                )
            # one result per sample, damaged or not, because MMEngine drops repeated ones by index
            self.results.append({} if sample.get('damaged') else self._totals(sample))

    def _totals(self, sample: dict) -> dict[str, Any]:
        """Return sum and count of each distance by plugin, and the numbers of frames."""
        frames, without = count_frames(np.asarray(sample['objects'], float))
        totals = {
            path: {name: (float(values.sum()), len(values)) for name, values in distances.items()}
            for path, distances in measure_sample(sample).items()
        }
        result = dict(plugins=totals, frames=frames, without=without)
        if self.other:
            centers = {path: regions.center for path, regions in sample['regions'].items()}
            result.update(objects=np.asarray(sample['objects'], float), centers=centers)
        return result

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Average over frames or videos, and over plugins."""
        measured = [video for video in results if video]
        if self.other:
            _measure_others(measured)
        paths = measured[0]['plugins'] if measured else {}
        by_plugin = {path: self._average([video['plugins'][path] for video in measured]) for path in paths}
        metrics = _with_harmonic(_over_plugins(list(by_plugin.values())))
        if len(by_plugin) > 1:
            own = {path: _with_harmonic(numbers) for path, numbers in by_plugin.items()}
            metrics.update({f'{path}/{name}': value for path in own for name, value in own[path].items()})
        frames, without = (np.array([video[key] for video in measured], int) for key in ('frames', 'without'))
        if without.sum() == frames.sum():
            print_log(
                f'ObjectDistance measured nothing: {len(results) - len(measured)} of {len(results)} videos could not '
                f'be read, and none of the {frames.sum()} frames of the others has a box inside the crop; check '
                'ann_file of LoadObjects',
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
        """Return the means of all values that were measured in at least one video."""
        means = {}
        for name in videos[0]:
            totals = np.array([video[name] for video in videos if video[name][1]], float).reshape(-1, 2)
            if self.average == 'videos':
                totals /= totals[:, 1:]
            if len(totals):
                means[name] = mean(*totals.sum(0))
        return means


def measure_sample(sample: dict) -> dict[str, dict[str, np.ndarray]]:
    """Compute the distances in the frames of a video by plugin path, see :func:`.frame_distances`.

    Args:
        sample (dict): A data sample with ``regions`` and ``objects``, and optionally ``acting``.

    Raises:
        ValueError: If objects and regions have different views or frames.
    """
    objects = np.asarray(sample['objects'], float)
    acting = sample.get('acting')
    acting = None if acting is None else np.asarray(acting, bool)
    return {
        path: frame_distances(regions.center.double().numpy(), objects_of_frames(objects, regions), acting)
        for path, regions in sample['regions'].items()
    }


def _measure_others(videos: list[dict]) -> None:
    """Add ``dist_other`` to the totals of all videos, given in the order of the dataset."""
    for index, video in enumerate(videos):
        other = next((videos[i] for i in reversed(range(index)) if _is_other(video, videos[i])), None)
        for path, totals in video['plugins'].items():
            distances = np.empty(0)
            if other is not None:
                center = other['centers'][path]
                objects = objects_of_frames(video['objects'], Regions(center, center, (1, 1)))
                distances = frame_distances(center.double().numpy(), objects)['dist_r']
            totals['dist_other'] = (float(distances.sum()), len(distances))


def _is_other(video: dict, candidate: dict) -> bool:
    """Return whether the regions of a candidate fit a video, and its objects are others."""
    shapes = [[center.shape for center in each['centers'].values()] for each in (video, candidate)]
    return shapes[0] == shapes[1] and not np.array_equal(video['objects'], candidate['objects'], equal_nan=True)


def objects_of_frames(objects: np.ndarray, regions: Regions) -> np.ndarray:
    """Select the objects (V, T, K, 4) of the frames of regions (V, T', N, 2): the middle one of each T / T'."""
    views, frames = objects.shape[:2]
    own_views, own_frames = regions.center.shape[:2]
    if own_views != views or own_frames > frames:
        raise ValueError(
            f'objects of {views} clips of {frames} frames do not match regions of {own_views} clips of {own_frames} '
            'frames; put LoadObjects after the decoding and WithBoxes around all transforms that move pixels'
        )
    return objects[:, (np.arange(own_frames) * 2 + 1) * frames // (2 * own_frames)]


def _over_plugins(plugins: list[dict[str, float]]) -> dict[str, float]:
    """Return the means over the plugins that have a value."""
    known = {name: [own[name] for own in plugins if name in own] for numbers in plugins for name in numbers}
    return {name: mean(sum(values), len(values)) for name, values in known.items()}


def _with_harmonic(numbers: dict[str, float]) -> dict[str, float]:
    """Add the harmonic mean ``dist`` as the first value, nan if nothing was measured."""
    nan = float('nan')
    return dict(dist=harmonic_mean(numbers.get('dist_p', nan), numbers.get('dist_r', nan)), **numbers)
