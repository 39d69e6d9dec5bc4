"""Predict the classes of videos, or of windows of videos, with a trained model."""

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, DictAction

from dyreg_mmaction.datasets.folder.entries import is_video, walk_files
from dyreg_mmaction.datasets.video.frame_folder import has_frames
from dyreg_mmaction.datasets.video.streams import Frame, find_timeline, is_live, select_frames
from dyreg_mmaction.datasets.video.writers import at_rate, video_writer
from dyreg_mmaction.inference.fusion import fuse_for_inference
from dyreg_mmaction.inference.long_videos import WindowPrediction, WindowPredictor
from dyreg_mmaction.inference.runs import find_model
from dyreg_mmaction.visualization.overlay import draw_over
from dyreg_mmaction.visualization.predict import class_names, load_model

from .configs import read_config
from .launch import exit_with_message

COLUMNS = ('video', 'start', 'end', 'label', 'class', 'score')
LIVE_WINDOW, LIVE_STRIDE, LIVE_RATE = (
    2.0,
    1.0,
    25.0,
)  # of live sources: seconds, seconds, frames per second of the written video


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', help='checkpoint, or work dir of a training (its best or last checkpoint)')
    parser.add_argument(
        'videos',
        nargs='+',
        help='video files, folders of videos or of numbered frames, camera numbers, URLs, or - for standard input',
    )
    parser.add_argument('--window', type=float, help='window length in seconds (default: the full video)')
    parser.add_argument('--stride', type=float, help='seconds between the starts of windows (default: window length)')
    parser.add_argument('--out', type=Path, help='folder for predictions.csv and predictions.json')
    parser.add_argument('--regions', action='store_true', help='add regions to predictions.json')
    parser.add_argument('--draw', action='store_true', help='write a copy of each video with classes and regions')
    parser.add_argument('--top', type=int, default=5, help='classes per window in predictions.json')
    parser.add_argument('--batch', type=int, default=8, help='windows per forward pass')
    parser.add_argument(
        '--one-view', action='store_true', help='use one crop and one sampling instead of those in the config'
    )
    parser.add_argument(
        '--fuse',
        nargs='?',
        const='float32',
        choices=['float32', 'bfloat16', 'float16'],
        help='run a faster copy of the model; bfloat16 for CPUs with AMX or AVX512-BF16, and GPUs (default: float32)',
    )
    parser.add_argument(
        '--fps', type=float, default=25, help='frames per second of folders of frames (default: %(default)s)'
    )
    parser.add_argument('--labels', help='class names, one per line (default: from the checkpoint)')
    parser.add_argument('--config', help='config file (default: from the run or the checkpoint)')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')
    args = parser.parse_args()
    if args.stride is not None and args.window is None:
        parser.error(f'--stride {args.stride} needs --window')
    if (args.regions or args.draw) and args.out is None:
        parser.error('--regions and --draw need --out')
    if args.top < 1:
        parser.error(f'--top {args.top} must be at least 1')
    return args


def find_videos(sources: Sequence[str]) -> list[str]:
    """Return videos and live sources, with what folders contain: their videos, or else their folders of frames.

    Raises:
        FileNotFoundError: If a file does not exist, or a folder contains neither.
    """
    videos = []
    for source in sources:
        found = [source]
        if os.path.isdir(source):
            found = _find_in_folder(source)
        elif not is_live(source) and not os.path.exists(source):
            raise FileNotFoundError(f'{source} does not exist; pass a video, a folder, a camera number, a URL or -')
        videos += found
    return videos


def _find_in_folder(folder: str) -> list[str]:
    files = list(walk_files(Path(folder)))
    if found := [name for name in files if is_video(name)]:
        return [os.path.join(folder, name) for name in found]
    pictures: dict[str, list[str]] = {}
    for name in files:
        place, name = os.path.split(os.path.join(folder, name))
        pictures.setdefault(place, []).append(name)
    if found := [place for place, names in pictures.items() if has_frames(names)]:
        return found
    raise FileNotFoundError(f'{folder} has neither videos (.mp4, .mkv, .avi, ...) nor numbered frames (00001.jpg, ...)')


def load(args: argparse.Namespace) -> tuple[torch.nn.Module, Config, list[str]]:
    """Return model, config and class names."""
    if args.config:
        cfg, checkpoint, known = read_config(args.config), Path(args.model), None
    else:
        cfg, checkpoint, known = find_model(args.model)
    cfg.merge_from_dict(args.cfg_options or {})
    names = class_names(cfg, args.labels) if args.labels or not known else known
    model = load_model(cfg, str(checkpoint), args.device)
    if args.fuse:
        model = fuse_for_inference(model, getattr(torch, args.fuse))
    return model, cfg, names or []


class Names:
    """Class names, or placeholders for unknown names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __getitem__(self, label: int) -> str:
        return self.names[label] if label < len(self.names) else f'class {label}'

    def caption(self, prediction: WindowPrediction) -> str:
        """Return class and score of a window."""
        return f'{self[prediction.label]} ({prediction.scores[prediction.label]:.2f})'

    def row(self, video: str, prediction: WindowPrediction, top: int = 1) -> dict:
        """Return the output for a window."""
        best = np.argsort(-prediction.scores, kind='stable')[:top].tolist()
        found = [(label, self[label], round(float(prediction.scores[label]), 6)) for label in best]
        start, end = round(prediction.start, 3), round(prediction.end, 3)
        row = dict(zip(COLUMNS, (video, start, end, *found[0]), strict=True))
        return dict(row, top=[dict(zip(COLUMNS[3:], entry, strict=True)) for entry in found])


def region_lists(prediction: WindowPrediction) -> dict:
    """Return the regions of a window for JSON: lists (frames, nodes, 2) of (x, y) in 0..1 by plugin."""
    assert prediction.clip is not None
    times = prediction.clip.times.round(3).tolist()
    return {
        path: dict(times=times, center=nodes.center.round(4).tolist(), half_size=nodes.half_size.round(4).tolist())
        for path, nodes in prediction.clip.nodes.items()
    }


def create_output(folder: Path) -> None:
    """Create the output folder.

    Raises:
        ValueError: If its predictions.csv is another table, such as that of the held-out videos in a run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / 'predictions.csv'
    if table.is_file() and table.stat().st_size:
        with table.open(encoding='utf-8', errors='replace') as file:
            if file.readline().strip() != ','.join(COLUMNS):
                raise ValueError(f'{table} is another table and would be overwritten; choose another folder with --out')


@contextmanager
def written_rows(folder: Path, with_regions: bool) -> Iterator[Callable[[dict, WindowPrediction], None]]:
    """Write predictions.csv and predictions.json incrementally. Both are valid when the context ends.

    Yields:
        Callable: Writes a row and its prediction.
    """
    with (
        open(folder / 'predictions.csv', 'w', newline='', encoding='utf-8') as table,
        open(folder / 'predictions.json', 'w', encoding='utf-8') as tree,
    ):
        lines = csv.DictWriter(table, COLUMNS, extrasaction='ignore')
        lines.writeheader()
        tree.write('[')
        separator = '\n'

        def add(row: dict, prediction: WindowPrediction) -> None:
            nonlocal separator
            lines.writerow(row)
            table.flush()
            more = dict(regions=region_lists(prediction)) if with_regions else {}
            tree.write(separator + json.dumps({**row, **more}, ensure_ascii=False))
            separator = ',\n'

        try:
            yield add
        finally:
            tree.write('\n]\n')


def drawn_path(folder: Path, video: str, taken: set[Path]) -> Path:
    """Return an unused path in ``folder`` for the drawn video, and add it to the ``taken`` real paths."""
    stem = 'live' if is_live(video) else Path(video).stem
    names = (folder / f'{stem}{number}_predicted.mp4' for number in ('', *(f'_{i}' for i in range(2, 10**6))))
    path = next(name for name in names if Path(os.path.realpath(name)) not in taken)
    taken.add(Path(os.path.realpath(path)))
    return path


def draw_file(path: Path, video: str, fps: float, predictions: Sequence[WindowPrediction], names: Names) -> None:
    """Write a copy of a video with predictions. Each frame shows that of the window with the nearest center."""
    timeline = find_timeline(video, fps)
    middles = np.array([(prediction.start + prediction.end) / 2 for prediction in predictions])

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for frame in select_frames(video, timeline, np.arange(timeline.num_frames)):
            found = predictions[int(np.abs(middles - frame.time).argmin())]
            if found.start - 1e-6 <= frame.time < found.end:
                picture = draw_over(frame.to_rgb(), frame.time, names.caption(found), found.clip)
            else:
                picture = draw_over(frame.to_rgb(), frame.time, '', None)
            yield float(timeline.times[frame.number + 1]), picture

    rate = 1 / float(np.median(np.diff(timeline.times)))
    with video_writer(path, rate) as add:
        for picture in at_rate(frames(), rate):
            add(picture)
    print(path)


class LiveDrawing:
    """Draw frames of a live source with the prediction of the last complete window.

    Args:
        add (Callable): Called with each drawn frame.
        names (Names): Class names.
    """

    def __init__(self, add: Callable[[np.ndarray], None], names: Names) -> None:
        self.add, self.names = add, names
        self.prediction: WindowPrediction | None = None
        self.count = 0

    def draw(self, frame: Frame) -> None:
        """Draw a frame, repeated to match its time."""
        found = self.prediction
        caption = '' if found is None else self.names.caption(found)
        picture = draw_over(frame.to_rgb(), frame.time, caption, None if found is None else found.clip)
        while self.count / LIVE_RATE <= frame.time:
            self.add(picture)
            self.count += 1


def predict_live(predict: WindowPredictor, video: str, path: Path | None, names: Names) -> Iterator[WindowPrediction]:
    """Yield predictions of a live source until it ends or is interrupted, and draw it."""
    with ExitStack() as stack:
        drawing = None
        if path is not None:
            drawing = LiveDrawing(stack.enter_context(video_writer(path, LIVE_RATE)), names)
        try:
            for prediction in predict(video, drawing.draw if drawing else None):
                if drawing:
                    drawing.prediction = prediction
                yield prediction
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr)


def predict_file(predict: WindowPredictor, video: str, path: Path | None, names: Names) -> Iterator[WindowPrediction]:
    """Yield the predictions of a file, then draw it."""
    predictions: list[Any] = []
    for prediction in predict(video):
        if path is not None:
            predictions.append(prediction)
        yield prediction
    if path is not None:
        draw_file(path, video, predict.windows.fps, predictions, names)


@exit_with_message()
def main() -> None:
    """Predict the videos of the command line."""
    args = parse_args()
    videos = find_videos(args.videos)
    live = any(map(is_live, videos))
    if live and args.window is None:
        args.window, args.stride = LIVE_WINDOW, LIVE_STRIDE
    model, cfg, classes = load(args)
    names, failed = Names(classes), 0
    taken = {Path(os.path.realpath(video)) for video in videos if not is_live(video)}  # never overwritten
    regions = args.regions or args.draw
    predict = WindowPredictor(
        model,
        cfg.test_dataloader.dataset.pipeline,
        args.window,
        args.stride,
        args.batch,
        regions,
        not args.one_view,
        args.fps,
    )
    with ExitStack() as stack:
        write = None
        if args.out is not None:
            create_output(args.out)
            write = stack.enter_context(written_rows(args.out, args.regions))
        for video in videos:
            path = drawn_path(args.out, video, taken) if args.draw else None
            run = predict_live if is_live(video) else predict_file
            try:
                for prediction in run(predict, video, path, names):
                    row = names.row(video, prediction, args.top)
                    print('{video}\t{start:.3f}\t{end:.3f}\t{class}\t{score:.3f}'.format(**row), flush=True)
                    if write:
                        write(row, prediction)
            except (ValueError, OSError) as error:
                failed += 1
                print(error, file=sys.stderr)
    if failed:
        raise SystemExit(f'{failed} of {len(videos)} videos cannot be read; check the messages above')
