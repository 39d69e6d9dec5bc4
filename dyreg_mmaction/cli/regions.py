"""Draw the regions of a model on videos or on clips of a dataset."""

import argparse
import re
import sys
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from torch import nn

from dyreg_mmaction.datasets.video.writers import hold_frames, write_gif, write_video
from dyreg_mmaction.progress import track
from dyreg_mmaction.visualization import RegionClip, contact_sheet, mean_regions, side_by_side
from dyreg_mmaction.visualization.clip import Nodes, nodes_in_view
from dyreg_mmaction.visualization.drawing import STYLES
from dyreg_mmaction.visualization.inputs import ClipInput
from dyreg_mmaction.visualization.predict import class_names, load_model, predict_clips
from dyreg_mmaction.visualization.report import ReportWriter
from dyreg_mmaction.visualization.sheet import before_and_after, stack

from .clips import add_clip_options, check_clip_options, find_inputs, open_report
from .configs import read_config
from .launch import exit_with_message

IN_SHEET = 20  # maximum number of clips in regions.png


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_clip_options(parser, num=6)
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument('--html', action='store_true', help='write report.html, a self-contained page')
    parser.add_argument('--mp4', action='store_true', help='write a video of each clip')
    parser.add_argument('--gif', action='store_true', help='write a GIF of each clip')
    parser.add_argument(
        '--before', action='store_true', help='write before_after.jpg, which compares with the untrained model'
    )
    parser.add_argument('--style', choices=STYLES, default='box', help='drawing style of regions')
    parser.add_argument('--nodes', type=int, nargs='+', help='nodes to highlight (default: up to three that move most)')
    parser.add_argument(
        '--view', type=int, default=0, help='index of the view, if the pipeline produces several per clip'
    )
    parser.add_argument('--width', type=int, default=200, help='width of a frame in regions.png, in pixels')
    args = parser.parse_args()
    check_clip_options(parser, args)
    return args


def make_folder(path: str) -> Path:
    """Create the output folder and check that it is writable.

    Raises:
        SystemExit: If it is not.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / '.writable'
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SystemExit(f'--out {path} is not writable ({error}); choose another folder') from error
    return folder


def warn_if_short(clip: RegionClip) -> None:
    """Print a warning if the video has fewer frames than the model samples."""
    have, taken = round(clip.duration * clip.fps), len(clip.frames)
    if have < taken:
        print(f'{clip.name} has {have} frames, but the model samples {taken}: some frames are repeated')


def check_nodes(clip: RegionClip, bold: list[int] | None) -> None:
    """Check that the nodes of ``--nodes`` exist.

    Raises:
        SystemExit: If one does not.
    """
    for path, nodes in clip.nodes.items():
        have = nodes.center.shape[1]
        if bold is not None and not all(0 <= i < have for i in bold):
            raise SystemExit(f'--nodes {" ".join(map(str, bold))}: {path} has nodes 0 to {have - 1}')


class Pictures:
    """Writer of all output files. Files of one clip are written at once, files of all clips at the end of the context.

    Args:
        args (Namespace): Options of the command line.
        out (Path): Output folder.
        report (ReportWriter, optional): Report to which the clips are added.
    """

    def __init__(self, args: argparse.Namespace, out: Path, report: ReportWriter | None = None) -> None:
        self.args, self.out = args, out
        self.sheet: list[np.ndarray] = []
        self.nodes: dict[str, list[Nodes]] = {}
        self.drawn = 0
        self.report = report

    def add(self, clip: RegionClip) -> None:
        """Draw a clip, and keep only what the files of all clips need."""
        style = dict(style=self.args.style, bold=self.args.nodes)
        if self.drawn < IN_SHEET:
            self.sheet.append(contact_sheet([clip], width=self.args.width, **style))
        for path in clip.nodes:
            self.nodes.setdefault(path, []).append(nodes_in_view(clip, path))
        if self.args.mp4 or self.args.gif:
            frames = side_by_side(clip, **style)
            name = re.sub(r'[^A-Za-z0-9_-]+', '_', str(Path(clip.name).with_suffix('')))
            file = self.out / f'{self.drawn:03}_{name}'
            if self.args.mp4:
                held = hold_frames(clip.times, clip.duration, clip.fps)
                write_video(file.with_suffix('.mp4'), (frames[index] for index in held), clip.fps)
            if self.args.gif:
                write_gif(file.with_suffix('.gif'), frames, clip.times, clip.duration)
        if self.report:
            self.report.add(clip)
        self.drawn += 1

    def mean_nodes(self) -> dict[str, Nodes]:
        """Return the regions of all frames of all clips."""
        return {
            path: clips[0]._replace(
                center=np.concatenate([nodes.center for nodes in clips]),
                half_size=np.concatenate([nodes.half_size for nodes in clips]),
            )
            for path, clips in self.nodes.items()
        }

    def __enter__(self) -> 'Pictures':
        return self

    def __exit__(self, *error: object) -> None:
        """Write the files of all clips, even after an error or interrupt."""
        if self.sheet:
            save(self.out / 'regions.png', stack(self.sheet))
        if self.report and self.report.close():
            print(self.report.path)


def draw_means(args: argparse.Namespace, cfg: Config, inputs: list[ClipInput], trained: dict[str, Nodes]) -> np.ndarray:
    """Draw the mean regions as in Figure 5 of the paper, next to those of the untrained model on the first clip."""
    model = load_model(cfg, None, args.device)
    start = next(predict_clips(model, inputs, skip=lambda error: None, view=args.view))
    return mean_regions({name: nodes_in_view(start, name) for name in trained}, trained)


def draw_before_after(args: argparse.Namespace, cfg: Config, inputs: list[ClipInput], model: nn.Module) -> np.ndarray:
    """Draw the clips of the sheet with the untrained and the trained model."""
    models = (load_model(cfg, None, args.device), model)
    classes, few = class_names(cfg, args.labels), inputs[:IN_SHEET]
    clips = (predict_clips(one, few, lambda error: None, classes, args.view) for one in models)
    pairs = zip(*clips, strict=True)
    return stack([before_and_after(first, last, style=args.style, bold=args.nodes) for first, last in pairs])


def save(path: Path, picture: np.ndarray) -> None:
    """Write an RGB image (H, W, 3) and print its path."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 88] if path.suffix == '.jpg' else []
    cv2.imwrite(str(path), picture[..., ::-1], options)
    print(path)


@exit_with_message()
def main() -> None:
    """Draw the clips of the command line."""
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    out = make_folder(args.out)
    inputs, classes = find_inputs(args, cfg), class_names(cfg, args.labels)
    model = load_model(cfg, args.checkpoint, args.device)
    skipped: list[str] = []

    def skip(error: Exception) -> None:
        skipped.append(str(error))
        print(f'{error}; skipped', file=sys.stderr)

    report = open_report(args, cfg, out) if args.html else None
    with Pictures(args, out, report) as pictures:
        for clip in predict_clips(model, track(inputs, 'Drawing clips'), skip, classes, args.view):
            check_nodes(clip, args.nodes)
            warn_if_short(clip)
            pictures.add(clip)
            del clip  # free memory before the next clip is read
    if not pictures.drawn:
        raise SystemExit(f'none of the {len(inputs)} clips can be read; check the messages above')
    if args.dataset:
        save(out / 'mean_regions.png', draw_means(args, cfg, inputs, pictures.mean_nodes()))
    if args.before:
        save(out / 'before_after.jpg', draw_before_after(args, cfg, inputs, model))
    if skipped:
        print(f'{len(skipped)} of {len(inputs)} clips were skipped because they cannot be read', file=sys.stderr)
