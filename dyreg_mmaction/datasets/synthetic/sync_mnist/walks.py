"""Walks of digits on a canvas, and their rendering."""

from functools import lru_cache

import cv2
import numpy as np

INK = 10  # darker pixels of a digit are transparent, as in the released generator
OVERLAPS = ('front', 'max')
INTERPOLATIONS = ('area', 'bilinear')


def random_walk(
    start: np.ndarray, synchronous: np.ndarray, uniforms: np.ndarray, max_position: int, max_step: int
) -> np.ndarray:
    """Generate independent random walks in which the synchronous digits take the same steps.

    On each axis a step is a uniform integer in [``-max_step``, ``max_step``), restricted such that no digit leaves
    0..``max_position``. The range of the synchronous digits is the intersection of their ranges: they move like a rigid
    body. If the range is empty, the digit does not move.

    Args:
        start: ``(D, 2)`` positions before the first step, in pixels.
        synchronous: ``(D,)`` bool, the digits that move in sync.
        uniforms: ``(T, D, 2)`` random numbers in [0, 1).
        max_position: Largest position on either axis, in pixels.
        max_step: Largest step, in pixels.

    Returns:
        ``(T, D, 2)`` int64 positions; the first is after one step.
    """
    origin = start.astype(np.float64)
    room = np.full_like(origin, max_position)
    if synchronous.any():
        body = origin[synchronous]
        origin[synchronous] = body.min(0)
        room[synchronous] -= body.max(0) - body.min(0)
        uniforms = uniforms.copy()
        uniforms[:, synchronous] = uniforms[:, synchronous.argmax(), None]

    path = np.empty_like(uniforms)
    position = origin
    for frame, uniform in enumerate(uniforms):  # each range depends on the previous position
        low = np.maximum(position - max_step, 0)
        high = np.minimum(position + max_step, room)
        position = path[frame] = low + np.floor(uniform * (high - low))
    return (path + (start - origin)).astype(np.int64)


def straight_walk(
    start: np.ndarray, synchronous: np.ndarray, uniforms: np.ndarray, max_position: int, max_step: int
) -> np.ndarray:
    """Generate walks along one of four directions, by ``max_step`` in each frame.

    The synchronous digits have the same direction, and every other digit has a direction of its own. Starts are scaled
    to the range in which no digit leaves 0..``max_position``.

    Args:
        start: ``(D, 2)`` positions in 0..``max_position``, of which at most 4 are of digits with different directions.
        synchronous: ``(D,)`` bool, the digits that move in sync.
        uniforms: ``(T, D, 2)`` random numbers in [0, 1).
        max_position: Largest position on either axis, in pixels.
        max_step: Step in each frame, in pixels.

    Returns:
        ``(T, D, 2)`` int64 positions.
    """
    rank = np.where(synchronous, 0, np.cumsum(~synchronous) - (not synchronous.any()))
    order = np.argsort(uniforms.ravel()[:4])
    steps = max_step * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])[order[rank]]  # (D,2)
    travel = steps * (len(uniforms) - 1)
    low, high = np.maximum(-travel, 0), max_position - np.maximum(travel, 0)
    origin = (low + start / max_position * (high - low)).astype(np.int64)
    return origin + steps * np.arange(len(uniforms))[:, None, None]


def draw(images: np.ndarray, positions: np.ndarray, canvas_size: int, overlap: str = 'front') -> np.ndarray:
    """Draw digits on a black canvas.

    Args:
        images: ``(D, h, w)`` uint8, in drawing order.
        positions: ``(T, D, 2)`` top-left corners (x, y), in pixels.
        canvas_size: Side of the canvas, in pixels.
        overlap: Visible digit where digits overlap: ``'front'``, the digit drawn last, or ``'max'``, the brightest.

    Returns:
        ``(T, canvas_size, canvas_size)`` uint8.
    """
    num_frames, (height, width) = len(positions), images.shape[1:]
    inked = np.flatnonzero(images >= INK)
    ink = images.reshape(-1)[inked]
    if overlap == 'max':  # the last of several writes to a pixel is kept
        order = np.argsort(ink, kind='stable')
        inked, ink = inked[order], ink[order]
    digit, place = np.divmod(inked, height * width)
    within = (np.arange(height)[:, None] * canvas_size + np.arange(width)).reshape(-1)
    corner = (np.arange(num_frames)[:, None] * canvas_size + positions[..., 1]) * canvas_size + positions[..., 0]
    pixel = corner.take(digit, axis=1)  # (T, number of inked pixels)
    pixel += within[place]
    clip = np.zeros(num_frames * canvas_size**2, np.uint8)
    clip[pixel] = ink
    return clip.reshape(num_frames, canvas_size, canvas_size)


def shrink(clip: np.ndarray, size: int, interpolation: str = 'area') -> np.ndarray:
    """Resize every frame of a clip.

    Args:
        clip: ``(T, S, S)`` uint8.
        size: New side, at most ``S``.
        interpolation: ``'area'``, the mean over the area that a pixel covers, or ``'bilinear'`` with antialiasing, as
            in Pillow (and scipy's former ``imresize``).

    Returns:
        ``(T, size, size)`` uint8.
    """
    num_frames, side, _ = clip.shape
    if size == side:
        return clip
    if interpolation == 'area':  # pixels do not cross frame borders, so frames are resized as one tall image
        high = cv2.resize(clip.reshape(-1, side), (size, num_frames * size), interpolation=cv2.INTER_AREA)
        return high.reshape(num_frames, size, size)
    bands = _triangle_weights(side, size)
    clip = clip.astype(np.float32)
    low = np.empty((num_frames, size, side), np.float32)
    for new, old, weights in bands:
        np.matmul(weights, clip[:, old], out=low[:, new])
    rows = low.reshape(-1, side)
    small = np.empty((num_frames * size, size), np.float32)
    for new, old, weights in bands:
        np.matmul(rows[:, old], weights.T, out=small[:, new])
    small += 2**15
    small /= 2**16
    return small.astype(np.uint8).reshape(num_frames, size, size)


@lru_cache(maxsize=8)
def _triangle_weights(side: int, size: int, band: int = 16) -> list[tuple[slice, slice, np.ndarray]]:
    """Return the resizing weights, a ``(size, side)`` matrix, as bands of 16 rows with their non-zero columns.

    The weights are multiples of 1/256, so two products with bytes are exact in float32 and equal on every machine.
    """
    scale = side / size
    distance = np.abs((np.arange(side) + 0.5) - (np.arange(size)[:, None] + 0.5) * scale) / scale
    exact = np.clip(1 - distance, 0, None)
    weights = np.round(256 * exact / exact.sum(1, keepdims=True)).astype(np.float32)
    weights[np.arange(size), weights.argmax(1)] += 256 - weights.sum(1)
    bands = []
    for start in range(0, size, band):
        rows = weights[start : start + band]
        used = np.flatnonzero(rows.any(0))
        old = slice(used[0], used[-1] + 1)
        bands.append((slice(start, start + band), old, rows[:, old]))
    return bands
