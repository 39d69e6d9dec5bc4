"""Drawing of regions over frames with subpixel accuracy."""

import colorsys

import cv2
import numpy as np

from .clip import RegionClip, highlighted_nodes
from .text import number_mark

SHIFT = 4  # fractional bits of OpenCV's coordinates
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
STYLES = ('box', 'kernel')


def draw_clip(
    clip: RegionClip,
    path: str,
    width: int = 240,
    style: str = 'box',
    bold: list[int] | None = None,
    numbers: bool = True,
    others: bool = True,
) -> np.ndarray:
    """Draw the center and number of every node in its own color, and box and trajectory of highlighted nodes.

    The box of a tent ends at half of its maximum, see :attr:`.Nodes.box_scale`. If no node is highlighted, the boxes of
    all nodes are drawn with thin lines. Regions that are not finite are omitted. Objects have a white outline, acting
    objects a double one. The area outside the network's input is darkened.

    Args:
        clip (RegionClip): The clip.
        path (str): Path of the plugin.
        width (int): Width of the drawn frames, in pixels.
        style (str): 'box': boxes; 'kernel': semi-transparent kernels.
        bold (list[int], optional): Nodes to highlight. Defaults to :func:`.highlighted_nodes`.
        numbers (bool): Whether to draw the numbers of the nodes.
        others (bool): Whether to draw nodes that are not highlighted.

    Returns:
        ndarray[T, H', width, 3]: RGB, uint8.

    Raises:
        ValueError: If ``style`` is unknown.
    """
    if style not in STYLES:
        raise ValueError(f'style={style!r} is unknown; choose one of {STYLES}')
    nodes = clip.nodes[path]
    chosen = highlighted_nodes(clip, path) if bold is None else bold
    every = list(range(nodes.center.shape[1])) if others else sorted(chosen)
    thin = every if bold is None and not chosen else []
    canvas = _Canvas(clip.frames, width)
    colors = node_colors(nodes.center.shape[1])
    finite = np.isfinite(nodes.center).all(-1) & np.isfinite(nodes.half_size).all(-1)  # (T,N)
    canvas.darken_outside(clip.view)
    for t in range(len(canvas.frames)):
        if style == 'kernel':
            for i in chosen or thin:
                if finite[t, i]:
                    canvas.kernel(t, nodes.center[t, i], nodes.half_size[t, i], colors[i], nodes.kernel)
        for box, is_acting in zip(clip.objects[t], clip.acting, strict=True):
            if not np.isnan(box).any():
                canvas.box(t, box, WHITE, 1)
                if is_acting:
                    canvas.box(t, box + np.array([2, 2, -2, -2]) / np.tile(canvas.size, 2), WHITE, 1)
        for i in [*(i for i in every if i not in chosen), *reversed(chosen)]:
            if not finite[t, i]:
                continue
            if style == 'box' and i in (*chosen, *thin):
                half = nodes.box_scale * nodes.half_size[t, i]
                corners = np.concatenate([nodes.center[t, i] - half, nodes.center[t, i] + half])
                canvas.box(t, corners, colors[i], 2 if i in chosen else 1)
            if i in chosen:
                canvas.line(t, nodes.center[: t + 1, i][finite[: t + 1, i]], colors[i])
                canvas.dot(t, nodes.center[t, i], WHITE, 5)
            canvas.dot(t, nodes.center[t, i], colors[i], 4 if i in chosen else 2)
        for i in every if numbers else ():
            if finite[t, i]:
                canvas.number(t, nodes.center[t, i], i)
    return canvas.frames


def draw_heat(clip: RegionClip, width: int = 240) -> np.ndarray:
    """Draw ``clip.heat`` over the frames: (T, H', width, 3), RGB uint8; the area outside the input is darkened."""
    canvas = _Canvas(clip.frames, width)
    canvas.darken_outside(clip.view)
    for t, heat in enumerate(() if clip.heat is None else clip.heat):
        canvas.heat(t, heat, clip.view)
    return canvas.frames


class _Canvas:
    """Frames of a given width to draw on, in 0..1 of the frame; pixel p of n is at (p + 1/2) / n."""

    def __init__(self, frames: np.ndarray, width: int) -> None:
        height = max(round(width * frames.shape[1] / frames.shape[2]), 1)
        smaller = width < frames.shape[2]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        self.size = np.array([width, height])
        self.frames = np.stack([cv2.resize(frame, (width, height), interpolation=how) for frame in frames])

    def _point(self, point: np.ndarray) -> tuple[int, int]:
        x, y = np.round((np.clip(point, -9, 9) * self.size - 0.5) * 2**SHIFT).astype(int).tolist()
        return x, y

    def darken_outside(self, view: np.ndarray) -> None:
        low, high = (np.round(corner * self.size).astype(int).clip(0, self.size) for corner in (view[:2], view[2:]))
        dark = np.full(self.frames.shape[1:3], 0.5)
        dark[low[1] : high[1], low[0] : high[0]] = 1
        self.frames = (self.frames * dark[..., None]).astype(np.uint8)

    def box(self, t: int, box: np.ndarray, color: tuple, thickness: int) -> None:
        low, high = self._point(box[:2]), self._point(box[2:])
        cv2.rectangle(self.frames[t], low, high, color, thickness, cv2.LINE_AA, SHIFT)

    def dot(self, t: int, center: np.ndarray, color: tuple, radius: int) -> None:
        cv2.circle(self.frames[t], self._point(center), radius << SHIFT, color, -1, cv2.LINE_AA, SHIFT)

    def line(self, t: int, points: np.ndarray, color: tuple) -> None:
        path = np.array([self._point(point) for point in points], np.int32)
        cv2.polylines(self.frames[t], [path], False, color, 2, cv2.LINE_AA, SHIFT)

    def number(self, t: int, center: np.ndarray, number: int) -> None:
        """Draw a number to the upper right of the center, moved into the frame if necessary."""
        mark = number_mark(number, int(np.clip(self.size[0] // 22, 9, 14)))
        height, width = mark.shape[:2]
        corner = np.round(np.clip(center, -9, 9) * self.size + [3, -3 - height]).astype(int)
        x, y = corner.clip(0, np.maximum(self.size - [width, height], 0)).tolist()
        below = self.frames[t, y : y + height, x : x + width]
        mark = mark[: below.shape[0], : below.shape[1]]
        alpha = mark[..., 3:] / 255
        below[:] = np.round(below * (1 - alpha) + mark[..., :3] * alpha)

    def heat(self, t: int, heat: np.ndarray, view: np.ndarray) -> None:
        low, high = (np.round(corner * self.size).astype(int).clip(0, self.size) for corner in (view[:2], view[2:]))
        smooth = cv2.resize(heat.astype(np.float32), (high - low).clip(1).tolist(), interpolation=cv2.INTER_LINEAR)
        color = cv2.applyColorMap(np.round(255 * smooth).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
        seen = self.frames[t, low[1] : high[1], low[0] : high[0]]
        weight = (0.7 * smooth[..., None])[: seen.shape[0], : seen.shape[1]]
        seen[:] = seen * (1 - weight) + color[: seen.shape[0], : seen.shape[1]] * weight

    def kernel(self, t: int, center: np.ndarray, half_size: np.ndarray, color: tuple, kernel: str) -> None:
        pixels = [(np.arange(length) + 0.5) / length for length in self.size]
        kx, ky = (np.clip(1 - np.abs(p - c) / h, 0, 1) for p, c, h in zip(pixels, center, half_size, strict=True))
        if kernel == 'area':
            kx, ky = (axis > 0 for axis in (kx, ky))
        weight = 0.75 * (ky[:, None] * kx)[..., None]  # (H,W,1)
        self.frames[t] = self.frames[t] * (1 - weight) + np.array(color) * weight


def node_colors(num_nodes: int) -> list[tuple[int, int, int]]:
    """Return RGB colors that differ clearly, also between consecutive nodes."""
    hues = np.arange(num_nodes) * 0.618034 % 1
    shades = (colorsys.hsv_to_rgb(hue, 0.75 if i % 2 else 0.95, 1) for i, hue in enumerate(hues))
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in shades]
