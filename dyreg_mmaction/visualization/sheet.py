"""Contact sheets: pictures of many frames."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .clip import Nodes, RegionClip, highlighted_nodes, node_motion
from .drawing import draw_clip, node_colors
from .text import number_mark, text_bar


def contact_sheet(
    clips: Sequence[RegionClip], columns: int = 8, width: int = 200, style: str = 'box', bold: list[int] | None = None
) -> np.ndarray:
    """Draw clips below each other: the prediction, then a row of frames for each plugin.

    Args:
        clips (Sequence[RegionClip]): The clips.
        columns (int): Largest number of frames per clip, evenly spaced.
        width (int): Width of a frame, in pixels.
        style (str): See :func:`.draw_clip`.
        bold (list[int], optional): See :func:`.draw_clip`.

    Returns:
        ndarray[H, W, 3]: RGB, uint8.
    """
    parts = []
    for clip in clips:
        chosen = _spread(len(clip.frames), columns)
        rows = [
            (path_caption(clip, path, bold), np.concatenate(draw_clip(clip, path, width, style, bold)[chosen], axis=1))
            for path in clip.nodes
        ]
        parts.append(text_bar(clip_caption(clip), rows[0][1].shape[1], big=True))
        for caption, row in rows:
            parts += [text_bar(caption, row.shape[1]), row]
    return stack(parts)


def before_and_after(
    before: RegionClip,
    after: RegionClip,
    columns: int = 4,
    width: int = 400,
    style: str = 'box',
    bold: list[int] | None = None,
) -> np.ndarray:
    """Draw the nodes that are highlighted after training, before and after training.

    Args:
        before (RegionClip): The clip before training.
        after (RegionClip): The same clip after training.
        columns (int): Largest number of frames, evenly spaced.
        width (int): Width of a frame, in pixels.
        style (str): See :func:`.draw_clip`.
        bold (list[int], optional): See :func:`.draw_clip`.

    Returns:
        ndarray[H, W, 3]: RGB, uint8.
    """
    shown = _spread(len(after.frames), columns)
    parts = [text_bar(clip_caption(after), width * len(shown), big=True)]
    for path in after.nodes:
        nodes = highlighted_nodes(after, path) if bold is None else bold
        for clip, when in ((before, 'before training'), (after, f'after training   {path_caption(after, path, bold)}')):
            frames = draw_clip(clip, path, width, style, nodes, others=False)[shown]
            parts += [text_bar(when, width * len(shown)), np.concatenate(frames, axis=1)]
    return stack(parts)


def _spread(num_frames: int, most: int) -> np.ndarray:
    """Return the indices of at most ``most`` frames, evenly spaced."""
    shown = min(most, num_frames)
    return (np.arange(shown) * 2 + 1) * num_frames // (2 * shown)


def side_by_side(clip: RegionClip, width: int = 320, style: str = 'box', bold: list[int] | None = None) -> np.ndarray:
    """Draw the frames of a clip below its prediction, with one panel per plugin side by side: (T, H, W, 3)."""
    panels = [
        np.pad(draw_clip(clip, path, width, style, bold), ((0, 0), (0, 0), (0, 4), (0, 0))) for path in clip.nodes
    ]
    frames = np.concatenate(panels, axis=2)
    captions = [text_bar(path, panel.shape[2]) for path, panel in zip(clip.nodes, panels, strict=True)]
    name, _, prediction = clip_caption(clip).rpartition(': ')
    titles = [text_bar(name, frames.shape[2], big=True), text_bar(prediction, frames.shape[2])]
    bar = np.concatenate([*titles, np.concatenate(captions, axis=1)])
    return np.concatenate([np.broadcast_to(bar, (len(frames), *bar.shape)), frames], axis=1)


def mean_regions(start: dict[str, Nodes], trained: dict[str, Nodes], width: int = 280) -> np.ndarray:
    """Draw the mean region of each node before and after training (Figure 5 of DyReg-GNN), for each plugin.

    The mean over all frames is drawn, with a cross of one standard deviation of the center.

    Args:
        start (dict[str, Nodes]): Regions before training by plugin path, in 0..1 of the view.
        trained (dict[str, Nodes]): Regions after training.
        width (int): Width of a panel, in pixels.

    Returns:
        ndarray[H, W, 3]: RGB, uint8.
    """
    parts = []
    for path in trained:
        panels = [
            np.pad(_mean_panel(nodes, width), ((0, 0), (0, 4), (0, 0)), constant_values=255)
            for nodes in (start[path], trained[path])
        ]
        captions = [text_bar(f'{path}: {when}', width + 4) for when in ('at the start', 'trained')]
        parts += [np.concatenate(captions, axis=1), np.concatenate(panels, axis=1)]
    return stack(parts)


def _mean_panel(nodes: Nodes, width: int) -> np.ndarray:
    center, half_size = nodes.center.mean(0), nodes.box_scale * nodes.half_size.mean(0)  # (N,2)
    spread = nodes.center.std(0)
    image = Image.new('RGB', (2 * width, 2 * width), (32, 32, 36))
    draw = ImageDraw.Draw(image)
    for i, (c, h, s, color) in enumerate(zip(center, half_size, spread, node_colors(len(center)), strict=True)):
        if not np.isfinite([c, h, s]).all():
            continue
        low, high = ((c - h) * 2 * width).tolist(), ((c + h) * 2 * width).tolist()
        draw.rectangle((*low, *high), outline=color, width=3)
        for axis in np.eye(2):
            ends = [tuple(((c + sign * s * axis) * 2 * width).tolist()) for sign in (-1, 1)]
            draw.line(ends, fill=color, width=3)
        x, y = (c * 2 * width).tolist()
        draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=color)
        mark = Image.fromarray(number_mark(i, 26))
        image.paste(mark, (round(x) + 10, round(y) - 10 - mark.height), mark)
    return np.asarray(image.resize((width, width), Image.Resampling.LANCZOS))


def clip_caption(clip: RegionClip) -> str:
    """Return the name, class and prediction of a clip as text."""
    if not clip.scores:
        return f'{clip.name}: {clip.truth or "no class"}; no prediction because the scores are not finite'
    predicted, score = clip.scores[0]
    if clip.truth is None:
        return f'{clip.name}: {predicted} ({score:.2f})'
    if clip.truth == predicted:
        return f'{clip.name}: {predicted} ({score:.2f}), correct'
    return f'{clip.name}: {clip.truth}; predicted {predicted} ({score:.2f})'


def path_caption(clip: RegionClip, path: str, bold: list[int] | None = None) -> str:
    """Return a plugin's path and the values by which its highlighted nodes were chosen as text."""
    motion = node_motion(clip.nodes[path].center)
    effects = {} if clip.explanation is None else clip.explanation.effects
    by_effect = bold is None and path in effects
    chosen = highlighted_nodes(clip, path) if bold is None else bold
    numbers = ', '.join(f'{i} by {(effects[path] if by_effect else motion)[i]:.2f}' for i in chosen)
    if bold is not None:
        what = f'bold: nodes {numbers} of the frame'
    elif by_effect:
        what = f'bold: nodes with the largest effect ({numbers})' if numbers else 'no node increases the class score'
    else:
        what = f'bold: nodes that move most ({numbers} of the frame)' if numbers else 'no node moves by more than 0.01'
    distance = clip.distances.get(path)
    near = '' if distance is None else f'; object to node {distance["dist_r"]:.3f}'
    return f'{path}   {what}{near}'


def stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Stack pictures vertically, padding narrower ones with white."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in parts]
    )
