"""A report of many clips in one HTML file that needs no other file and no network."""

import base64
import html
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..clip import RegionClip, moving_nodes, node_motion
from ..drawing import node_colors

HERE = Path(__file__).parent
WIDTH = 480  # of the frames in the report at most, in pixels


def write_report(path: Path, clips: Sequence[RegionClip], title: str = 'Regions') -> None:
    """Write a page for each clip and a summary of all, those with the worst numbers first.

    Names, labels and all else that comes from files are data to the page, never part of it.

    Args:
        path (Path): The file.
        clips (Sequence[RegionClip]): The clips.
        title (str): What to call it.
    """
    data = json.dumps(dict(title=title, clips=[clip_data(clip) for clip in clips]), allow_nan=False)
    parts = {
        'TITLE': html.escape(title),
        'STYLE': (HERE / 'report.css').read_text(encoding='utf-8'),
        'SCRIPT': (HERE / 'report.js').read_text(encoding='utf-8'),
        # inside <script> only </ and <! could end or change it
        'DATA': data.replace('<', '\\u003c'),
    }
    before, *rest = (HERE / 'report.html').read_text(encoding='utf-8').split('{{')
    pieces = [before]
    for piece in rest:
        name, _, after = piece.partition('}}')
        pieces += [parts[name], after]
    path.write_text(''.join(pieces), encoding='utf-8')


def clip_data(clip: RegionClip) -> dict[str, Any]:
    """What the page knows of a clip; numbers in 0..1 of the frame, None where there is none."""
    height, width = clip.frames.shape[1:3]
    return dict(
        name=clip.name,
        width=width,
        height=height,
        times=_numbers(clip.times),
        duration=clip.duration,
        images=[_jpeg(frame) for frame in clip.frames],
        view=_numbers(clip.view),
        objects=_numbers(clip.objects),
        acting=clip.acting.tolist(),
        truth=clip.truth,
        truthScore=clip.truth_score,
        scores=clip.scores,
        plugins=[
            dict(
                path=path,
                center=_numbers(nodes.center),
                halfSize=_numbers(nodes.half_size),
                colors=['#{:02x}{:02x}{:02x}'.format(*color) for color in node_colors(nodes.center.shape[1])],
                motion=_numbers(node_motion(nodes.center)),
                bold=moving_nodes(nodes.center),
                distances={name: _number(value) for name, value in clip.distances.get(path, {}).items()},
            )
            for path, nodes in clip.nodes.items()
        ],
    )


def _jpeg(frame: np.ndarray) -> str:
    height, width = frame.shape[:2]
    if width > WIDTH:
        frame = cv2.resize(frame, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode('.jpg', frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return 'data:image/jpeg;base64,' + base64.b64encode(code.tobytes()).decode()


def _numbers(values: Any) -> Any:
    """Nested lists of numbers, short, with None for nan: JSON has no nan."""
    return [_numbers(value) for value in values] if np.ndim(values) else _number(values)


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
