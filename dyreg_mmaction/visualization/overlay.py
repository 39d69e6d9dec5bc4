"""Drawing of predictions over each frame of a video."""

from functools import lru_cache

import cv2
import numpy as np

from .clip import Nodes, RegionClip, moving_nodes
from .drawing import draw_clip
from .text import text_bar

cached_bar = lru_cache(64)(text_bar)


def draw_over(
    frame: np.ndarray,
    time: float,
    caption: str | None,
    clip: RegionClip | None,
    path: str | None = None,
    width: int = 640,
) -> np.ndarray:
    """Draw the regions of a plugin at the time of a frame, and a line of text above the frame.

    Only the nodes that move are drawn, or all if none moves. Regions are interpolated linearly between sampled frames.

    Args:
        frame (ndarray[H, W, 3]): RGB, uint8.
        time (float): Time of the frame, in the units of ``clip.times``.
        caption (str, optional): The text; None: no line is drawn.
        clip (RegionClip, optional): The regions; its frames are not used.
        path (str, optional): Path of the plugin. Defaults to the first one.
        width (int): Largest width of the picture, in pixels.

    Returns:
        ndarray[H', W', 3]: RGB, uint8.
    """
    width = min(width, frame.shape[1])
    if clip is None:
        drawn = cv2.resize(frame, (width, max(round(width * len(frame) / frame.shape[1]), 1)))
    else:
        path = next(iter(clip.nodes)) if path is None else path
        now = clip._replace(frames=frame[None], nodes={path: nodes_at(clip, path, time)})
        moving = moving_nodes(clip.nodes[path].center)
        drawn = draw_clip(now, path, width, bold=moving or None, others=not moving)[0]
    return drawn if caption is None else np.concatenate([cached_bar(caption, width, True), drawn])


def nodes_at(clip: RegionClip, path: str, time: float) -> Nodes:
    """Return the regions of a plugin at a time, with shape (1, N, 2)."""
    order = np.argsort(clip.times, kind='stable')
    times, nodes = clip.times[order], clip.nodes[path]
    after = int(np.clip(np.searchsorted(times, time), 1, max(len(times) - 1, 1)))
    pair = order[[after - 1, min(after, len(times) - 1)]]
    first, last = clip.times[pair]
    fraction = float(np.clip((time - first) / max(last - first, 1e-9), 0, 1))
    weights = np.array([1 - fraction, fraction])
    center, half_size = (np.tensordot(weights, values[pair], 1)[None] for values in (nodes.center, nodes.half_size))
    return nodes._replace(center=center, half_size=half_size)
