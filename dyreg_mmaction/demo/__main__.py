"""Draw the regions of a small trained model on a generated clip or on your own video."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dyreg_mmaction.cli.launch import exit_with_message
from dyreg_mmaction.cli.predict import Names, predict_file
from dyreg_mmaction.datasets.synthetic.mini_something.generator import Clip, write_clip
from dyreg_mmaction.datasets.video.streams import select_frames
from dyreg_mmaction.datasets.video.timeline import read_timeline
from dyreg_mmaction.inference.long_videos import WindowPrediction, WindowPredictor
from dyreg_mmaction.inference.runs import find_model
from dyreg_mmaction.visualization.overlay import draw_over
from dyreg_mmaction.visualization.predict import load_model
from dyreg_mmaction.visualization.sheet import stack
from dyreg_mmaction.visualization.text import text_bar

from . import CHECKPOINT

SEED = 1  # the model was trained on the clips of seed 0
LONGEST = 4.0  # seconds; longer videos are split into windows
WINDOW, STRIDE = 3.0, 1.5


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(prog='python -m dyreg_mmaction.demo', description=__doc__)
    parser.add_argument('video', nargs='?', help='video file (default: a generated clip)')
    parser.add_argument(
        '--clips', type=int, nargs='+', default=[2], help='numbers of generated clips; the class is the number modulo 8'
    )
    parser.add_argument('--out', type=Path, default=Path('demo'), help='output folder (default: demo)')
    args = parser.parse_args()
    if min(args.clips) < 0:
        parser.error(f'--clips {min(args.clips)} must be at least 0')
    if args.video and not Path(args.video).is_file():
        parser.error(f'{args.video} is not a file; pass a video file, or omit it for a generated clip')
    return args


def generate(folder: Path, number: int) -> Path:
    """Write a clip of MiniSomething that is not in the training set."""
    clip = Clip(SEED, 'validation', number)
    write_clip(folder, clip)
    print(f'{clip.action.label}: a generated clip')
    return folder / f'{clip.id}.webm'


def sheet(video: Path, prediction: WindowPrediction, caption: str) -> np.ndarray:
    """Draw every other sampled frame of a window with regions, side by side."""
    assert prediction.clip is not None
    timeline = read_timeline(video)
    numbers = np.searchsorted(timeline.times[:-1], prediction.clip.times[::2] - 1e-6)
    frames = select_frames(video, timeline, numbers)
    pictures = [draw_over(frame.to_rgb(), frame.time, None, prediction.clip, width=320) for frame in frames]
    row = np.concatenate(pictures, axis=1)
    return np.concatenate([text_bar(caption, row.shape[1], big=True), row])


def draw(video: Path, out: Path) -> np.ndarray:
    """Write the video with predictions. Return an image of the window with the highest score."""
    cfg, checkpoint, classes = find_model(CHECKPOINT)
    try:
        long = read_timeline(video).times[-1] > LONGEST
    except (OSError, ValueError) as error:
        raise SystemExit(f'{video} cannot be read as a video ({error}); pass another file') from error
    predict = WindowPredictor(
        load_model(cfg, str(checkpoint), 'cpu'),
        cfg.test_dataloader.dataset.pipeline,
        WINDOW if long else None,
        STRIDE if long else None,
        regions=True,
    )
    names, found = Names(classes or []), []
    for prediction in predict_file(predict, str(video), out / f'{video.stem}_predicted.mp4', names):
        print(f'{names.caption(prediction)}: {prediction.start:.1f} to {prediction.end:.1f} s')
        found.append(prediction)
    best = max(found, key=lambda prediction: float(prediction.scores.max()))
    return sheet(video, best, names.caption(best))


@exit_with_message()
def main() -> None:
    """Run the demo."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    videos = [Path(args.video)] if args.video else [generate(args.out, number) for number in args.clips]
    path = args.out / 'demo.jpg'
    Image.fromarray(stack([draw(video, args.out) for video in videos])).save(path, quality=88)
    print(path)


if __name__ == '__main__':
    main()
