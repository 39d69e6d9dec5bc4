"""A clip with what a model saw in it, in the coordinates of its own frames: what every picture is drawn from."""

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

FPS = 12.0  # of Something-Something's videos, where a clip does not say
WHOLE_VIEW = np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5]])  # see Source


class Nodes(NamedTuple):
    """Regions of a plugin in the frames of a clip.

    Attributes:
        center, half_size (ndarray[T, N, 2]): (x, y) in 0..1 of the frames; outside of them the kernel is 0.
        kernel (str): That of the plugin, see :class:`.DyRegGNN`.
    """

    center: np.ndarray
    half_size: np.ndarray
    kernel: str = 'tent'

    @property
    def box_scale(self) -> float:
        """Size of the box that is drawn, as a fraction of the region: a tent's ends where its weight is half of that
        in the middle, and the rectangle of an area is drawn as it is.
        """
        return 1.0 if self.kernel == 'area' else 0.5


class RegionClip(NamedTuple):
    """A clip.

    Attributes:
        name (str): What to call it.
        frames (ndarray[T, H, W, 3]): RGB, uint8; the whole frames where they are known, else what the network saw.
        times (ndarray[T]): When each is seen, in seconds.
        duration (float): In seconds.
        fps (float): Frames per second of the clip itself, of which these are some.
        nodes (dict[str, Nodes]): By the path of each plugin.
        view (ndarray[4]): Box (x1, y1, x2, y2) of what the network saw, in 0..1 of the frames.
        objects (ndarray[T, K, 4]): Annotated boxes, in 0..1 of the frames; nan where an object is not seen.
        acting (ndarray[K]): Which of them the class is about.
        truth (str, optional): Name of the class.
        truth_score (float, optional): Probability that the model gives it.
        scores (list[tuple[str, float]]): The best classes and their probabilities; [] where scores are not finite.
        distances (dict[str, dict[str, float]]): By plugin, see :func:`.video_distances`; {} without objects.
        explanation (Explanation, optional): Effects of the nodes, see :func:`.explain`, by the same paths.
        explained (str, optional): Name of the class that it explains.
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
    """One view of a sample that a model has predicted with its regions attached.

    Args:
        inputs (Tensor): Its frames as the model got them, (V*T, C, H, W) or (V, C, T, H, W), 0..255.
        sample (ActionDataSample): With ``regions``, see :func:`.attach_regions`; ``source`` and ``view``, see
            :class:`.KeepSource`, ``objects``, see :class:`.LoadObjects`, and ``heat``, see :func:`.grad_cam`, if there
            are any.
        name (str, optional): None: that of its file.
        classes (Sequence[str], optional): Names of the classes.
        view (int): Which view.

    Raises:
        ValueError: If the sample has no regions or no such view.
    """
    if not sample.get('regions'):
        raise ValueError('the sample has no regions; predict it inside `with attach_regions(model):`')
    views = len(next(iter(sample.regions.values())).center)
    if not 0 <= view < views:
        raise ValueError(f'view={view} is not there; the sample has the views 0 to {views - 1}')
    seen = _seen_frames(inputs, views)[view]  # (T,H,W,C)
    source = sample.get('source')
    frames = seen if source is None else source[view % len(source)]
    trace = WHOLE_VIEW if source is None else np.asarray(sample.view[view][0], float)  # (2,4)
    objects = np.asarray(sample.get('objects', np.empty((views, len(frames), 0, 4))), float)[view]
    corners = [_to_frames(objects[..., part], trace) for part in (slice(0, 2), slice(2, 4))]
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
    """How far each node moves in a clip: the root of the variance of its centre (T, N, 2) over the frames, (N,)."""
    return np.sqrt(center.var(0).sum(-1))


def moving_nodes(center: np.ndarray, most: int = 3, least: float = 0.01, apart: float = 0.08) -> list[int]:
    """The nodes of largest :func:`node_motion`, no two of which go the same way.

    Args:
        center (ndarray[T, N, 2]): Centres, in 0..1 of the frame.
        most (int): How many at most.
        least (float): Motion below which a node does not move.
        apart (float): Mean distance over the frames below which two nodes go the same way.
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
    """The nodes of largest effect (N,), which must be positive, see :class:`.Explanation`: ``most`` at most."""
    return [i for i in np.argsort(-effects, kind='stable').tolist()[:most] if effects[i] > 0]


def highlighted_nodes(clip: RegionClip, path: str) -> list[int]:
    """The nodes of a plugin to draw boldly: by effect where it is known, otherwise by motion."""
    if clip.explanation is not None and path in clip.explanation.effects:
        return effective_nodes(clip.explanation.effects[path])
    return moving_nodes(clip.nodes[path].center)


def nodes_in_view(clip: RegionClip, path: str) -> Nodes:
    """Regions of a plugin in 0..1 of what the network saw."""
    low, size = clip.view[:2], clip.view[2:] - clip.view[:2]
    nodes = clip.nodes[path]
    return nodes._replace(center=(nodes.center - low) / size, half_size=nodes.half_size / size)


def _seen_frames(inputs: Tensor, views: int) -> np.ndarray:
    """What the network saw: (V, T, H, W, C)."""
    if inputs.ndim == 5:
        frames = inputs.permute(0, 2, 3, 4, 1)
    else:
        frames = inputs.unflatten(0, (views, -1)).permute(0, 1, 3, 4, 2)
    return frames.cpu().numpy()


def _rgb(frames: np.ndarray) -> np.ndarray:
    frames = np.ascontiguousarray(frames if frames.dtype == np.uint8 else np.clip(np.round(frames), 0, 255), np.uint8)
    return np.repeat(frames, 3, axis=-1) if frames.shape[-1] == 1 else frames


def _nodes(regions: Regions, view: int, trace: np.ndarray, num_frames: int, kernel: str) -> Nodes:
    share = _share(num_frames, regions.center.shape[1])
    center, half_size = (part[view].numpy()[share].astype(float) for part in (regions.center, regions.half_size))
    scale = trace[0, 2:] - trace[0, :2]
    return Nodes(_to_frames(center, trace), half_size / scale, kernel)


def _share(num_frames: int, reduced: int) -> np.ndarray:
    """Where the backbone has reduced the T frames to T', each frame shows what is known of its share of the clip."""
    return np.arange(num_frames) * reduced // num_frames


def _heat(heat: np.ndarray, trace: np.ndarray, num_frames: int) -> np.ndarray:
    """A map of the view (T', H', W'), turned as the frames are."""
    x, y = (-1 if flipped else 1 for flipped in _flipped(trace))
    return heat[_share(num_frames, len(heat)), ::y, ::x]


def _flipped(trace: np.ndarray) -> np.ndarray:
    """Whether a view is flipped, in (x, y)."""
    return np.abs(trace[1, :2] - trace[0, :2]) > 1e-6


def _to_frames(points: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Points in 0..1 of the view as points in 0..1 of the frames.

    Args:
        points (ndarray[..., 2]): As (x, y).
        trace (ndarray[2, 4]): Where the view has the whole frame, and its upper left quarter: which tells flips.
    """
    low, high = trace[0, :2], trace[0, 2:]
    unit = (points - low) / (high - low)
    return np.where(_flipped(trace), 1 - unit, unit)


def _times(sample: Any, num_frames: int, view: int) -> tuple[np.ndarray, float, float]:
    """When each frame is seen, how long the video is, and its frames per second: of a variable rate, the usual one."""
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
        scores = scores.softmax(0)  # they were averaged before it
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
