"""A report of many clips in one HTML file that needs no other file and no network."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader
from jinja2.utils import htmlsafe_json_dumps

from dyreg_mmaction.evaluation.explanation import Explanation
from dyreg_mmaction.evaluation.node_effects import areas, mean_curves
from dyreg_mmaction.files import atomic_write

from ..clip import RegionClip, effective_nodes, moving_nodes, node_motion
from ..drawing import draw_heat, node_colors

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
REST = '<rest>'  # placeholder of clips and curves
WIDTH = 480  # largest width of frames in the report, in pixels


class ReportWriter:
    """Write a page for each clip and a summary that lists the worst clips first, clip by clip.

    The summary contains the mean curves of clips with an explanation, and the accuracy of each class and the confusion
    matrix of clips with classes.

    Names, labels and other texts from files are data of the page, never markup. The file appears when the writer is
    closed; until then a hidden file in the same folder grows.

    Args:
        path (Path): The file.
        title (str): Title of the report.
        about (dict[str, str], optional): Details of how the page was made, such as the checkpoint.
        training (dict[str, list], optional): Curves of the training, see :func:`.read_curves`.
    """

    def __init__(
        self,
        path: Path,
        title: str = 'Regions',
        about: Mapping[str, str] | None = None,
        training: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    ) -> None:
        self.path = path
        self.about, self.training = list((about or {}).items()), dict(training or {})
        self.stack = ExitStack()
        page = TEMPLATES.get_template('report.html').render(title=title, rest=REST)
        self.head, self.tail = page.split(REST)
        self.num_clips = 0
        self.explanations: list[Explanation] = []

    def add(self, clip: RegionClip) -> None:
        """Write a clip."""
        page = _json(clip_data(clip))
        if not self.num_clips:
            self.unfinished = self.stack.enter_context(atomic_write(self.path))
        self._append((',' if self.num_clips else self.head) + page)
        self.num_clips += 1
        if clip.explanation is not None:
            self.explanations.append(clip.explanation._replace(regions={}, frame_effects={}))

    def close(self) -> bool:
        """Complete the page and return whether it exists; it does not if no clip was added."""
        if self.num_clips:
            rest = dict(curves=_curves(self.explanations), about=self.about, training=self.training)
            self._append(f'], {_json(rest)[1:]}{self.tail}')
            self.stack.close()
        return self.num_clips > 0

    def _append(self, text: str) -> None:
        with self.unfinished.open('a', encoding='utf-8') as file:
            file.write(text)


def write_report(path: Path, clips: Iterable[RegionClip], title: str = 'Regions', **options) -> None:
    """Write the report of some clips, see :class:`ReportWriter`."""
    writer = ReportWriter(path, title, **options)
    for clip in clips:
        writer.add(clip)
    writer.close()


def clip_data(clip: RegionClip) -> dict[str, Any]:
    """Return the data of a clip for the page, in 0..1 of the frame; None for missing numbers."""
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
        explained=clip.explained,
        heat=None if clip.heat is None else [_jpeg(frame) for frame in draw_heat(clip, min(width, WIDTH))],
        plugins=[
            dict(
                path=path,
                center=_numbers(nodes.center),
                halfSize=_numbers(nodes.half_size),
                kernel=nodes.kernel,
                boxScale=nodes.box_scale,
                colors=['#{:02x}{:02x}{:02x}'.format(*color) for color in node_colors(nodes.center.shape[1])],
                motion=_numbers(node_motion(nodes.center)),
                bold=moving_nodes(nodes.center),
                distances={name: _number(value) for name, value in clip.distances.get(path, {}).items()},
                **_effects(clip, path),
            )
            for path, nodes in clip.nodes.items()
        ],
    )


def _effects(clip: RegionClip, path: str) -> dict[str, Any]:
    if clip.explanation is None or path not in clip.explanation.effects:
        return dict(effects=None)
    effects = clip.explanation.effects[path]
    return dict(effects=[float(f'{effect:.4g}') for effect in effects], boldByEffect=effective_nodes(effects))


def _curves(explanations: list[Explanation]) -> list[dict[str, Any]]:
    """Return the mean curves by node order, with their areas; [] without explanations."""
    curves = mean_curves(explanations) if explanations else {}
    return [
        dict(order=order, areas=area, **{kind: _numbers(curve) for kind, curve in curves[order]._asdict().items()})
        for order, area in areas(curves).items()
    ]


def _json(value: Any) -> str:
    return str(htmlsafe_json_dumps(value, allow_nan=False))


def _jpeg(frame: np.ndarray) -> str:
    height, width = frame.shape[:2]
    if width > WIDTH:
        frame = cv2.resize(frame, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode('.jpg', frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return 'data:image/jpeg;base64,' + base64.b64encode(code.tobytes()).decode()


def _numbers(values: Any) -> Any:
    """Convert an array to nested lists of rounded numbers, with None for nan, which JSON lacks."""
    return [_numbers(value) for value in values] if np.ndim(values) else _number(values)


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
