"""Draw where the nodes of a model look: on videos, or over a dataset."""

import argparse
import re
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.utils import track_iter_progress

from dyreg_mmaction.engine.config_variables import read_config
from dyreg_mmaction.engine.launch import one_sentence
from dyreg_mmaction.engine.named_files import check_data
from dyreg_mmaction.visualization import RegionClip, contact_sheet, mean_regions, side_by_side
from dyreg_mmaction.visualization.clip import Nodes, nodes_in_view
from dyreg_mmaction.visualization.drawing import STYLES
from dyreg_mmaction.visualization.predict import class_names, dataset_samples, file_samples, load_model, predict_clip
from dyreg_mmaction.visualization.report import write_report
from dyreg_mmaction.visualization.video_files import write_gif, write_mp4

IN_SHEET = 20  # clips in regions.png at most


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('videos', nargs='*', help='video files, or folders of frames where the config reads those')
    parser.add_argument('--dataset', choices=['train', 'val', 'test'], help='clips of this dataset of the config')
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument('--num', type=int, default=6, help='number of clips of the dataset, from all over it')
    parser.add_argument('--html', action='store_true', help='write report.html, which needs no other file')
    parser.add_argument('--mp4', action='store_true', help='write a video of each clip')
    parser.add_argument('--gif', action='store_true', help='write a GIF of each clip')
    parser.add_argument('--style', choices=STYLES, default='box', help='what regions are drawn as')
    parser.add_argument('--nodes', type=int, nargs='+', help='nodes to draw boldly (default: those that move most)')
    parser.add_argument('--view', type=int, default=0, help='which view of a clip, where the pipeline makes several')
    parser.add_argument('--width', type=int, default=200, help='width of a frame in regions.png, in pixels')
    parser.add_argument('--boxes', help="objects, as JSON in Something-Else's form (default: those the dataset knows)")
    parser.add_argument('--labels', help='names of the classes, one a line, or labels.json of Something-Something V2')
    parser.add_argument('--ann-height', type=int, help='height of the frames in which the boxes were annotated')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='settings to override, as key=value')
    args = parser.parse_args()
    if bool(args.videos) == bool(args.dataset):
        parser.error('give either videos or --dataset')
    if args.num < 1:
        parser.error(f'--num {args.num} must be at least 1')
    return args


def make_folder(path: str) -> Path:
    """The folder, when it is sure that it can be written to."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / '.writable'
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SystemExit(f'--out {path} cannot be written to: {error}') from error
    return folder


def predict_clips(args: argparse.Namespace, cfg: Config) -> list[RegionClip]:
    objects = dict(type='LoadObjects', ann_file=args.boxes, ann_height=args.ann_height) if args.boxes else None
    if args.dataset:
        check_data(cfg, f'{args.dataset}_dataloader')
        samples, total = dataset_samples(cfg, args.dataset, args.num, objects)
    else:
        samples, total = file_samples(cfg, args.videos, objects), len(args.videos)
    classes = class_names(cfg, args.labels)
    model = load_model(cfg, args.checkpoint, args.device)
    return [predict_clip(model, sample, classes, args.view) for sample in track_iter_progress((samples, total))]


def warn_of_short(clips: list[RegionClip]) -> None:
    for clip in clips:
        have, taken = round(clip.duration * clip.fps), len(clip.frames)
        if have < taken:
            print(f'{clip.name} has {have} frames, fewer than the {taken} that the model takes: some are seen twice')


def check_nodes(clip: RegionClip, bold: list[int] | None) -> None:
    for path, nodes in clip.nodes.items():
        have = nodes.center.shape[1]
        if bold is not None and not all(0 <= i < have for i in bold):
            raise SystemExit(f'--nodes {" ".join(map(str, bold))}: {path} has the nodes 0 to {have - 1}')


def draw_means(args: argparse.Namespace, cfg: Config, clips: list[RegionClip], path: Path) -> None:
    """Figure 5 of the paper; the start is that of the model before its first step."""
    samples, _ = dataset_samples(cfg, args.dataset, 1)
    start = predict_clip(load_model(cfg, None, args.device), next(samples), view=args.view)
    trained = {name: [nodes_in_view(clip, name) for clip in clips] for name in start.nodes}
    joined = {name: Nodes(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in trained.items()}
    save(path, mean_regions({name: nodes_in_view(start, name) for name in joined}, joined))


def save(path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(path), picture[..., ::-1])
    print(path)


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    out = make_folder(args.out)
    clips = predict_clips(args, cfg)
    print()
    warn_of_short(clips)
    check_nodes(clips[0], args.nodes)
    save(out / 'regions.png', contact_sheet(clips[:IN_SHEET], width=args.width, style=args.style, bold=args.nodes))
    if args.dataset:
        draw_means(args, cfg, clips, out / 'mean_regions.png')
    for number, clip in enumerate(clips):
        if args.mp4 or args.gif:
            frames = side_by_side(clip, style=args.style, bold=args.nodes)
            name = out / f'{number:03}_{re.sub(r"[^A-Za-z0-9_-]+", "_", Path(clip.name).stem)}'
            if args.mp4:
                write_mp4(name.with_suffix('.mp4'), frames, clip.times, clip.duration, clip.fps)
            if args.gif:
                write_gif(name.with_suffix('.gif'), frames, clip.times, clip.duration)
    if args.html:
        write_report(out / 'report.html', clips, title=Path(args.config).stem)
        print(out / 'report.html')


if __name__ == '__main__':
    with one_sentence():
        main()
