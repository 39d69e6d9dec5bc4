"""A clip with its regions and predictions, in coordinates of the original frames; the input of all drawings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dyreg_mmaction.evaluation.distances import mean
from dyreg_mmaction.evaluation.explanation import Explanation
from dyreg_mmaction.evaluation.object_distance import measure_sample
from dyreg_mmaction.ops import Regions

FPS = 12.0  # frame rate of Something-Something's videos; used if a clip has none
WHOLE_VIEW = np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5]])  # see Source


class Nodes(NamedTuple):
    """Regions of a plugin in the frames of a clip.

    Attributes:
        center, half_size (ndarray[T, N, 2]): (x, y) in 0..1 of the frames.
        kernel (str): Kernel of the plugin, see :class:`.DyRegGNN`.
    """

    center: np.ndarray
    half_size: np.ndarray
    kernel: str = 'tent'

    @property
    def box_scale(self) -> float:
        """Size of the drawn box as a fraction of the region.

        The box of a tent ends at half of its maximum; the rectangle of an area kernel is drawn in full size.
        """
        return 1.0 if self.kernel == 'area' else 0.5


class RegionClip(NamedTuple):
    """A clip with its regions and predictions.

    Attributes:
        name (str): Name of the clip.
        frames (ndarray[T, H, W, 3]): RGB, uint8; the whole frames if available, otherwise the network's input.
        times (ndarray[T]): Display time of each frame, in seconds.
        duration (float): Duration in seconds.
        fps (float): Frames per second of the original clip, from which the frames are sampled.
        nodes (dict[str, Nodes]): Nodes by plugin path.
        view (ndarray[4]): Box (x1, y1, x2, y2) of the network's input, in 0..1 of the frames.
        objects (ndarray[T, K, 4]): Annotated boxes, in 0..1 of the frames; nan if an object is not visible.
        acting (ndarray[K]): Mask of the acting objects.
        truth (str, optional): Name of the true class.
        truth_score (float, optional): Probability of the true class.
        scores (list[tuple[str, float]]): The best classes and their probabilities; [] if scores are not finite.
        distances (dict[str, dict[str, float]]): Distances by plugin, see :func:`.video_distances`; {} without objects.
        explanation (Explanation, optional): Effects of the nodes by the same paths, see :func:`.explain`.
        explained (str, optional): Name of the explained class.
        heat (ndarray[T, H', W'], optional): :func:`.grad_cam` over ``view``, in 0..1.
    """

    name: str
    frames: np.ndarray
    times: np.ndarray
    duration: float
    fps: float
    nodes: dict[str, Nodes]
    view: np.ndarray
    objects: np.ndarray
    acting: np.ndarray
    truth: str | None
    truth_score: float | None
    scores: list[tuple[str, float]]
    distances: dict[str, dict[str, float]]
    explanation: Explanation | None = None
    explained: str | None = None
    heat: np.ndarray | None = None


def make_clip(
    inputs: Tensor, sample: Any, name: str | None = None, classes: Sequence[str] | None = None, view: int = 0
) -> RegionClip:
    """Make a clip from one view of a predicted sample with regions.

    Args:
        inputs (Tensor): The model's input, (V*T, C, H, W) or (V, C, T, H, W), 0..255.
        sample (ActionDataSample): Prediction with ``regions`` (:func:`.attach_regions`) and optionally ``source`` and
            ``view`` (:class:`.KeepSource`), ``objects`` (:class:`.LoadObjects`) and ``heat`` (:func:`.grad_cam`).
        name (str, optional): Name of the clip. Defaults to the file name.
        classes (Sequence[str], optional): Names of the classes.
        view (int): Index of the view.

    Raises:
        ValueError: If the sample has no regions, or the view does not exist.
    """
    if not sample.get('regions'):
        raise ValueError('the sample has no regions; predict it inside `with attach_regions(model):`')
    views = len(next(iter(sample.regions.values())).center)
    if not 0 <= view < views:
        raise ValueError(f'view={view} does not exist; choose one of the views 0 to {views - 1}')
    seen = _seen_frames(inputs, views)[view]  # (T,H,W,C)
    source = sample.get('source')
    frames = seen if source is None else source[view % len(source)]
    trace = WHOLE_VIEW if source is None else np.asarray(sample.view[view][0], float)  # (2,4)
    objects = np.asarray(sample.get('objects', np.empty((views, len(frames), 0, 4))), float)[view]
    corners = [_to_frames(objects[..., corner], trace) for corner in (slice(0, 2), slice(2, 4))]
    acting = np.asarray(sample.get('acting', np.zeros(objects.shape[1])), bool)
    times, duration, fps = _times(sample, len(frames), view)
    scores, truth, truth_score = _classes(sample, classes)
    measured = measure_sample(sample.to_dict()) if 'objects' in sample else {}
    kernels = sample.get('kernels') or {}
    return RegionClip(
        name=_name(sample) if name is None else name,
        frames=_rgb(frames),
        times=times,
        duration=duration,
        fps=fps,
        nodes={
            path: _nodes(regions, view, trace, len(frames), kernels.get(path, 'tent'))
            for path, regions in sample.regions.items()
        },
        view=np.sort(_to_frames(np.array([[0.0, 0.0], [1.0, 1.0]]), trace), axis=0).ravel(),
        objects=np.concatenate([np.minimum(*corners), np.maximum(*corners)], axis=-1),
        acting=acting,
        truth=truth,
        truth_score=truth_score,
        scores=scores,
        distances={
            path: {name: mean(values.sum(), len(values)) for name, values in distances.items()}
            for path, distances in measured.items()
        },
        heat=_heat(sample.heat[view], trace, len(frames)) if 'heat' in sample else None,
    )


def node_motion(center: np.ndarray) -> np.ndarray:
    """Return the motion of each node, (N,): the standard deviation of its center (T, N, 2) over the frames."""
    return np.sqrt(center.var(0).sum(-1))


def moving_nodes(center: np.ndarray, most: int = 3, least: float = 0.01, apart: float = 0.08) -> list[int]:
    """Return the nodes with the largest :func:`node_motion` that stay apart from each other.

    Args:
        center (ndarray[T, N, 2]): Centers, in 0..1 of the frame.
        most (int): Largest number of nodes.
        least (float): Smallest motion.
        apart (float): Smallest mean distance between two nodes over the frames.
    """
    motion = node_motion(center)
    chosen: list[int] = []
    for i in np.argsort(-motion, kind='stable').tolist():
        distances = np.linalg.norm(center[:, [i]] - center[:, np.array(chosen, int)], axis=-1).mean(
            0
        )  # to those chosen
        if motion[i] > least and len(chosen) < most and (distances >= apart).all():
            chosen.append(i)
    return chosen


def effective_nodes(effects: np.ndarray, most: int = 3) -> list[int]:
    """Return up to ``most`` nodes with the largest positive effects (N,), see :class:`.Explanation`."""
    return [i for i in np.argsort(-effects, kind='stable').tolist()[:most] if effects[i] > 0]


def highlighted_nodes(clip: RegionClip, path: str) -> list[int]:
    """Return the nodes of a plugin to highlight: by effect if it is known, otherwise by motion."""
    if clip.explanation is not None and path in clip.explanation.effects:
        return effective_nodes(clip.explanation.effects[path])
    return moving_nodes(clip.nodes[path].center)


def nodes_in_view(clip: RegionClip, path: str) -> Nodes:
    """Return the regions of a plugin in 0..1 of the network's input."""
    low, size = clip.view[:2], clip.view[2:] - clip.view[:2]
    nodes = clip.nodes[path]
    return nodes._replace(center=(nodes.center - low) / size, half_size=nodes.half_size / size)


def _seen_frames(inputs: Tensor, views: int) -> np.ndarray:
    """Return the network's input as (V, T, H, W, C)."""
    if inputs.ndim == 5:
        frames = inputs.permute(0, 2, 3, 4, 1)
    else:
        frames = inputs.unflatten(0, (views, -1)).permute(0, 1, 3, 4, 2)
    return frames.cpu().numpy()


def _rgb(frames: np.ndarray) -> np.ndarray:
    frames = np.ascontiguousarray(frames if frames.dtype == np.uint8 else np.clip(np.round(frames), 0, 255), np.uint8)
    return np.repeat(frames, 3, axis=-1) if frames.shape[-1] == 1 else frames


def _nodes(regions: Regions, view: int, trace: np.ndarray, num_frames: int, kernel: str) -> Nodes:
    index = _map_frames(num_frames, regions.center.shape[1])
    center, half_size = (value[view].numpy()[index].astype(float) for value in (regions.center, regions.half_size))
    scale = trace[0, 2:] - trace[0, :2]
    return Nodes(_to_frames(center, trace), half_size / scale, kernel)


def _map_frames(num_frames: int, reduced: int) -> np.ndarray:
    """Return, for each of T frames, the index of its map if the backbone reduces them to T' maps."""
    return np.arange(num_frames) * reduced // num_frames


def _heat(heat: np.ndarray, trace: np.ndarray, num_frames: int) -> np.ndarray:
    """Return a map of the view (T', H', W') with the orientation of the frames."""
    x, y = (-1 if flipped else 1 for flipped in _flipped(trace))
    return heat[_map_frames(num_frames, len(heat)), ::y, ::x]


def _flipped(trace: np.ndarray) -> np.ndarray:
    """Return whether a view is flipped in x and in y."""
    return np.abs(trace[1, :2] - trace[0, :2]) > 1e-6


def _to_frames(points: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Convert points in 0..1 of the view to points in 0..1 of the frames.

    Args:
        points (ndarray[..., 2]): Points (x, y).
        trace (ndarray[2, 4]): Boxes of the whole frame and of its upper left quarter in the view; the latter shows
            flips.
    """
    low, high = trace[0, :2], trace[0, 2:]
    unit = (points - low) / (high - low)
    return np.where(_flipped(trace), 1 - unit, unit)


def _times(sample: Any, num_frames: int, view: int) -> tuple[np.ndarray, float, float]:
    """Return the display time of each frame, the duration, and the frames per second (the median if they vary)."""
    fps = float(sample.get('avg_fps') or FPS)
    numbers = sample.get('frame_inds')
    if numbers is None or not sample.get('total_frames'):
        return np.arange(num_frames) / fps, num_frames / fps, fps
    clips = np.asarray(numbers).reshape(-1, num_frames)
    seen = clips[view % len(clips)] - sample.get('start_index', 0)
    known = sample.get('frame_times')
    if known is not None:
        return known[seen], float(known[-1]), 1 / float(np.median(np.diff(known[:-1] if len(known) > 2 else known)))
    return seen / fps, max(float(sample.total_frames) / fps, (seen[-1] + 1) / fps), fps


def _classes(sample: Any, classes: Sequence[str] | None) -> tuple[list[tuple[str, float]], str | None, float | None]:
    scores = torch.atleast_1d(sample.pred_score.detach().float().cpu().squeeze())
    finite = bool(scores.isfinite().all())
    if scores.min() < 0 or abs(scores.sum().item() - 1) > 1e-3:
        scores = scores.softmax(0)  # scores were averaged before the softmax
    best = scores.topk(min(5, len(scores)) if finite else 0)
    named = [(_class_name(int(i), classes), float(p)) for i, p in zip(best.indices, best.values, strict=True)]
    label = sample.get('gt_label')
    if label is None or label.numel() != 1 or not 0 <= label.item() < len(scores):
        return named, None, None
    return named, _class_name(int(label), classes), float(scores[int(label)]) if finite else None


def _class_name(index: int, classes: Sequence[str] | None) -> str:
    return str(classes[index]) if classes is not None and index < len(classes) else f'class {index}'


def _name(sample: Any) -> str:
    path = sample.get('filename') or sample.get('frame_dir') or sample.get('video_id') or 'clip'
    return Path(str(path)).name
