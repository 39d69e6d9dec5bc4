"""Drawing regions over frames."""

import colorsys

import cv2
import numpy as np

from dyreg_mmaction.ops import Regions


def draw_regions(frames: np.ndarray, regions: Regions, width: int = 160) -> np.ndarray:
    """Frames with the box and the centre of every node's region, one colour per node.

    Args:
        frames (ndarray[T, H, W, 3]): RGB, uint8.
        regions (Regions): Of one clip, (1, T', N, 2), in any units; where T' differs from T, as after temporal pooling,
            each frame shows the regions of its share of the clip.
        width (int): Width of the drawn frames, in pixels.

    Returns:
        ndarray[T, H', width, 3]: RGB, uint8.

    Raises:
        ValueError: If the regions are of several clips.
    """
    if len(regions.center) != 1:
        raise ValueError(f'regions are of {len(regions.center)} clips; draw one clip at a time')
    size = (width, round(width * frames.shape[1] / frames.shape[2]))
    unit = regions.normalized()
    corners = unit.boxes()[0].detach().cpu().numpy() * (*size, *size)  # (T',N,4)
    centers = unit.center[0].detach().cpu().numpy() * size
    step = np.arange(len(frames)) * len(corners) // len(frames)
    drawn = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    for frame, t in zip(drawn, step, strict=True):
        for box, center, color in zip(corners[t], centers[t], node_colors(corners.shape[1]), strict=True):
            x1, y1, x2, y2 = np.round(box).astype(int).tolist()
            cv2.rectangle(frame, (x1, y1), (x2 - 1, y2 - 1), color, 1, cv2.LINE_AA)
            cv2.circle(frame, tuple(np.round(center).astype(int).tolist()), 2, color, -1, cv2.LINE_AA)
    return np.stack(drawn)


def contact_sheet(rows: list[np.ndarray], titles: list[str]) -> np.ndarray:
    """One row of frames per clip under its title.

    Args:
        rows (list[ndarray[T, H, W, 3]]): Frames, RGB, uint8, of one size and number.
        titles (list[str]): One line of text per row.

    Returns:
        ndarray[H', W', 3]: RGB, uint8.
    """
    parts = []
    for frames, title in zip(rows, titles, strict=True):
        line = np.concatenate(frames, axis=1)
        bar = np.full((22, line.shape[1], 3), 255, np.uint8)
        cv2.putText(bar, title, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        parts += [bar, line]
    return np.concatenate(parts)


def node_colors(num_nodes: int) -> list[tuple[int, int, int]]:
    """Well separated RGB colours."""
    hues = np.arange(num_nodes) / num_nodes
    colors = (colorsys.hsv_to_rgb(hue, 0.85, 1) for hue in hues)
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in colors]
