"""Write samples of a generated dataset to video files, with an annotation file and a contact sheet.

Examples:
    python tools/data/export_dataset.py MultiSyncMNIST samples --boxes --cfg-options num_digits=9
    python tools/data/export_dataset.py configs/my_config.py samples --split train --num 100

Samples must contain frames (``imgs``) before the pipeline, as in generated datasets. The output folder contains
``000000.mp4`` and so on, ``annotations.txt`` in the format of ``VideoDataset``, and ``contact_sheet.png``.
"""

import argparse
import textwrap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import DictAction
from PIL import Image, ImageDraw, ImageFont

import dyreg_mmaction  # noqa: F401  (registers the datasets)
from dyreg_mmaction.cli.configs import read_config
from dyreg_mmaction.datasets.video import write_video
from dyreg_mmaction.progress import track
from dyreg_mmaction.registry import DATASETS

CRF = dict(mp4=12, webm=15)  # quality by format
IN_SYNC, ALONE = (255, 160, 40), (80, 150, 255)
SHEET_ROWS, SHEET_COLUMNS, SHEET_CELL = 24, 16, 128


def positive(text: str) -> int:
    """Parse a positive integer for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} must be at least 1')
    return number


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('dataset', help='name of a dataset, or a config file')
    parser.add_argument('out', type=Path, help='folder to write to')
    parser.add_argument('--split', default='test', help='split of the dataset or config: train, val or test')
    parser.add_argument('--num', type=positive, default=16, help='number of samples')
    parser.add_argument('--start', type=int, default=0, help='index of the first sample')
    parser.add_argument('--boxes', action='store_true', help='draw the ground-truth boxes')
    parser.add_argument('--scale', type=positive, default=1, help='integer factor by which to enlarge the videos')
    parser.add_argument('--format', choices=sorted(CRF), default='mp4', help='video format')
    parser.add_argument('--fps', type=positive, default=5, help='frames per second')
    parser.add_argument('--force', action='store_true', help='write into a folder that is not empty')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, help='options of the dataset, as key=value'
    )
    return parser.parse_args()


def build_dataset(name: str, split: str, options: dict[str, Any]):
    """Build a registered dataset, or that of a split in a config, without its pipeline."""
    if name.endswith('.py'):
        config = read_config(name)
        loader = config.get(f'{split}_dataloader')
        if not loader:
            raise ValueError(f'{name} has no {split}_dataloader; choose another --split')
        dataset = loader.dataset.to_dict()
    else:
        if DATASETS.get(name) is None:
            raise ValueError(
                f'dataset {name!r} does not exist; choose one of {", ".join(sorted(DATASETS.module_dict))}'
            )
        dataset = dict(type=name, split=split)
    return DATASETS.build({**dataset, **options, 'pipeline': []})


def enlarge(frames: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge frames (T, H, W, 1 or 3) to contiguous frames (T, factor * H, factor * W, 3)."""
    frames = np.repeat(np.repeat(frames, factor, axis=1), factor, axis=2)
    return np.ascontiguousarray(np.broadcast_to(frames, (*frames.shape[:3], 3)))


def render(sample: dict[str, Any], factor: int, boxes: bool) -> np.ndarray:
    """Return the RGB frames of a sample, optionally with boxes. Boxes of synchronous digits have another color."""
    frames = enlarge(np.asarray(sample['imgs']), factor)
    if not boxes:
        return frames
    in_sync = sample.get('synchronous', np.zeros(sample['gt_bboxes'].shape[1], bool))
    corners = np.round(sample['gt_bboxes'] * factor).astype(int)
    order = np.argsort(in_sync, kind='stable')  # synchronous digits on top
    for frame, frame_corners in zip(frames, corners, strict=True):
        for x1, y1, x2, y2, together in np.column_stack([frame_corners, in_sync])[order].tolist():
            cv2.rectangle(frame, (x1, y1), (x2 - 1, y2 - 1), IN_SYNC if together else ALONE, max(1, factor // 2))
    return frames


def describe(sample: dict[str, Any], name: str, classes: list[str]) -> str:
    """Describe a sample in a few short lines."""
    label = sample['label']
    lines = [name, *textwrap.wrap(f'label {label}' + (f': {classes[label]}' if classes else ''), 28)]
    if 'digits' in sample:
        digits, in_sync = sample['digits'], sample['synchronous']
        lines += [f'in sync: {" ".join(map(str, sorted(digits[in_sync]))) or "none"}']
        lines += [f'alone: {" ".join(map(str, sorted(digits[~in_sync]))) or "none"}']
    return '\n'.join(lines)


def contact_sheet(rows: list[tuple[str, np.ndarray]]) -> Image.Image:
    """Draw one row per clip: its description, then its frames."""
    font, gap = ImageFont.load_default(14), 4
    ruler = ImageDraw.Draw(Image.new('RGB', (1, 1)))
    left = 4 * gap + int(max(ruler.multiline_textbbox((0, 0), text, font)[2] for text, _ in rows))
    num_columns, height, width = np.max([frames.shape[:3] for _, frames in rows], axis=0).tolist()
    sheet = Image.new('RGB', (left + num_columns * (width + gap), gap + len(rows) * (height + gap)), (40, 40, 40))
    draw = ImageDraw.Draw(sheet)
    for row, (text, frames) in enumerate(rows):
        top = gap + row * (height + gap)
        draw.multiline_text((2 * gap, top + gap), text, (255, 255, 255), font, spacing=6)
        for column, frame in enumerate(frames):
            sheet.paste(Image.fromarray(frame), (left + column * (width + gap), top))
    return sheet


def pick_columns(sample: dict[str, Any], boxes: bool) -> np.ndarray:
    """Return evenly spaced frames of a sample for the sheet, enlarged if they are small."""
    frames = render(sample, max(1, SHEET_CELL // sample['imgs'][0].shape[0]), boxes)
    return frames[np.unique(np.linspace(0, len(frames) - 1, SHEET_COLUMNS).round().astype(int))]


def export(args: argparse.Namespace) -> None:
    """Write the samples of the command line.

    Raises:
        FileExistsError: If the folder is not empty.
        ValueError: If the samples do not exist, or lack frames or boxes.
    """
    if args.out.exists() and any(args.out.iterdir()) and not args.force:
        raise FileExistsError(f'{args.out} is not empty; choose another folder, or pass --force to write into it')
    dataset = build_dataset(args.dataset, args.split, args.cfg_options)
    indices = range(args.start, min(args.start + args.num, len(dataset)))
    if not indices or indices[0] < 0:
        raise ValueError(
            f'--start {args.start} is out of range: the dataset has {len(dataset)} samples; choose a smaller one'
        )
    first = dataset[indices[0]]
    if 'imgs' not in first:
        raise ValueError(f'{args.dataset} reads files instead of generating frames; choose a generated dataset')
    if args.boxes and 'gt_bboxes' not in first:
        raise ValueError(f'{args.dataset} has no boxes (gt_bboxes) to draw; remove --boxes')
    args.out.mkdir(parents=True, exist_ok=True)
    annotations, rows = [], []
    for index in track(indices, 'Writing videos'):
        sample = dataset[index]
        name = f'{index:06d}.{args.format}'
        write_video(args.out / name, render(sample, args.scale, args.boxes), args.fps, CRF[args.format])
        annotations.append(f'{name} {sample["label"]}\n')
        if len(rows) < SHEET_ROWS:
            text = describe(sample, f'{args.split}/{index}', dataset.metainfo.get('classes', []))
            rows.append((text, pick_columns(sample, args.boxes)))
    (args.out / 'annotations.txt').write_text(''.join(annotations))
    contact_sheet(rows).save(args.out / 'contact_sheet.png')
    print(f'{len(annotations)} videos, annotations.txt and contact_sheet.png are in {args.out}')


def main() -> None:
    """Export the dataset of the command line."""
    args = parse_args()
    try:
        export(args)
    except (ValueError, OSError) as error:
        raise SystemExit(f'export_dataset.py: {error}') from error


if __name__ == '__main__':
    main()
