"""Do the regions lie on objects? DyReg-GNN's distance, and what stands beside it today."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import METRICS

from .distances import count_frames, harmonic_mean, nan_mean, video_distances


@METRICS.register_module()
class ObjectDistance(BaseMetric):
    """Distance between the centres of regions and of objects, of all nodes of every plugin.

    Every video counts the same: numbers are averaged over the frames of a video, see :func:`.video_distances`, then
    over the videos. Beside it in a config stand ``custom_hooks=[dict(type='AttachRegionsHook')]``, and in the pipeline
    ``LoadObjects``, ``WithBoxes`` and ``PackActionInputs(algorithm_keys=('objects', 'acting'))``.

    - ``dist_p``, ``dist_r``, ``dist``: node to nearest box, box to nearest node, and the harmonic mean of the two;
    - ``inside``: share of boxes with a centre inside (pointing game);
    - ``switches``: share of frames in which another node than before is the nearest to an object;
    - ``dist_acting``: ``dist_r`` of the objects that the class is about, where the dataset knows them;
    - ``videos``, ``videos_without_boxes``, ``frames``, ``frames_without_boxes``: what was measured and what was not.

    They are means over the plugins; where there are several, each has its own behind its path.

    Args:
        collect_device (str): 'cpu' or 'gpu', where results of several processes meet.
        prefix (str, optional): In front of each name; None: 'object'.

    Source: DyReg-GNN (NeurIPS 2021), appendix F.3, eq. 15 and 16.
    """

    default_prefix = 'object'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)

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
            self.results.append(measure_sample(sample))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Average over videos, and over plugins."""
        paths = [key for key in results[0] if key not in ('frames', 'without')]
        by_plugin = {path: _summary([video[path] for video in results]) for path in paths}
        metrics = _over_plugins(list(by_plugin.values()))
        if len(by_plugin) > 1:
            metrics.update({f'{path}/{name}': value for path, own in by_plugin.items() for name, value in own.items()})
        frames, without = (np.array([video[key] for video in results]) for key in ('frames', 'without'))
        metrics.update(
            videos=int((without < frames).sum()),
            videos_without_boxes=int((without == frames).sum()),
            frames=int(frames.sum()),
            frames_without_boxes=int(without.sum()),
        )
        return metrics


def measure_sample(sample: dict) -> dict[str, Any]:
    """Distances of a video by the path of each plugin, see :func:`.video_distances`, and how many frames they are of.

    Args:
        sample (dict): A data sample with ``regions`` and ``objects``, and perhaps ``acting``.

    Raises:
        ValueError: If its objects are not of the views and frames of its regions.
    """
    objects = np.asarray(sample['objects'], float)
    acting = sample.get('acting')
    acting = None if acting is None else np.asarray(acting, bool)
    frames, without = count_frames(objects)
    distances = {
        path: video_distances(regions.center.double().numpy(), objects_of_frames(objects, regions), acting)
        for path, regions in sample['regions'].items()
    }
    return dict(distances, frames=frames, without=without)


def objects_of_frames(objects: np.ndarray, regions: Regions) -> np.ndarray:
    """Objects (V, T, K, 4) in the frames that regions (V, T', N, 2) are of: the middle one of each T / T'."""
    views, frames = objects.shape[:2]
    own_views, own_frames = regions.center.shape[:2]
    if own_views != views or own_frames > frames:
        raise ValueError(
            f'objects of {views} clips of {frames} frames do not fit regions of {own_views} clips of {own_frames} '
            'frames; put LoadObjects behind the decoding and WithBoxes around all that moves pixels'
        )
    return objects[:, (np.arange(own_frames) * 2 + 1) * frames // (2 * own_frames)]


def _summary(videos: list[dict[str, float]]) -> dict[str, float]:
    means = {name: nan_mean(np.array([video[name] for video in videos])) for name in videos[0]}
    return _with_harmonic(means)


def _over_plugins(plugins: list[dict[str, float]]) -> dict[str, float]:
    return _with_harmonic({name: nan_mean(np.array([own[name] for own in plugins])) for name in plugins[0]})


def _with_harmonic(numbers: dict[str, float]) -> dict[str, float]:
    """The distance first, and no number that nothing was measured for but the distance."""
    known = {name: value for name, value in numbers.items() if name != 'dist' and not np.isnan(value)}
    return dict(dist=harmonic_mean(numbers['dist_p'], numbers['dist_r']), **known)
