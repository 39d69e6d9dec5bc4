"""Run an object detector on the videos of a list, and write one file of boxes per video.

Examples:
    python tools/data/extract_boxes.py data/sthv2/sthv2_train_list_videos.txt data/sthv2/videos data/sthv2/boxes
    python tools/data/extract_boxes.py list.txt videos boxes --detector fasterrcnn_resnet50_fpn
    for i in 1 2 3 4; do CUDA_VISIBLE_DEVICES=$((i - 1)) python tools/data/extract_boxes.py \
        list.txt videos boxes --half --shard $i/4 & done; wait

The detector is the name or folder of a Hugging Face checkpoint for object detection (``pip install
'dyreg_mmaction[boxes]'``), or torchvision's Faster R-CNN, as in the paper. The transform ``LoadBoxes`` reads the files.
An interrupted run is continued by the same command. Videos that cannot be decoded are listed at the end.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from dyreg_mmaction.datasets.video.readers import READERS, open_video
from dyreg_mmaction.datasets.video.timeline import import_av
from dyreg_mmaction.files import atomic_write
from dyreg_mmaction.progress import track

Detections = list[dict]
Detector = Callable[[np.ndarray], list[Detections]]


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('list', type=Path, help="list of videos in MMAction2's format: name and labels per line")
    parser.add_argument('root', type=Path, help='folder of the videos')
    parser.add_argument('out', type=Path, help='folder to write <video>.json to')
    parser.add_argument('--detector', default='PekingU/rtdetr_r50vd', help='checkpoint, or fasterrcnn_resnet50_fpn')
    parser.add_argument('--top', type=int, default=9, help='maximum number of boxes per frame')
    parser.add_argument('--min-score', type=float, default=0.05, help='minimum score of a box')
    parser.add_argument(
        '--every',
        type=int,
        default=3,
        help='process every n-th frame only; the others get the boxes of the nearest one',
    )
    parser.add_argument('--batch-size', type=int, default=16, help='frames per forward pass of the detector')
    parser.add_argument('--workers', type=int, default=2, help='processes that decode videos')
    parser.add_argument(
        '--decoder',
        choices=READERS,
        default='decord',
        help='video decoder; all return the same frames, and pyav supports AV1',
    )
    parser.add_argument('--half', action='store_true', help='use half precision (float16 on GPUs, bfloat16 on CPUs)')
    parser.add_argument(
        '--shard', type=shard, default=(1, 1), metavar='I/N', help='process the I-th of N shards of the list'
    )
    return parser.parse_args()


def shard(text: str) -> tuple[int, int]:
    """Parse a shard such as 2/8 for argparse."""
    index, _, count = text.partition('/')
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f'{text!r} must be I/N with I from 1 to N, such as 2/8')
    return int(index), int(count)


def main() -> None:
    """Extract the boxes of the videos of the command line."""
    args = parse_args()
    for option in ('top', 'every', 'batch_size'):
        if getattr(args, option) < 1:
            sys.exit(f'--{option.replace("_", "-")} {getattr(args, option)} must be at least 1')
    for path in (args.list, args.root):
        if not path.exists():
            sys.exit(f'{path} does not exist; pass an existing list and folder')
    try:
        import_av()
    except ImportError as error:
        sys.exit(str(error))
    index, count = args.shard
    names = read_names(args.list)[index - 1 :: count]
    claim(args)
    left = [name for name in names if not target(args.out, name).exists()]
    print(f'{len(names)} videos, {len(names) - len(left)} of them done')
    if not left:
        return
    detect = load_detector(args.detector, args.top, args.min_score, args.half)
    loader = DataLoader(
        Videos(args.root, left, args.every, args.decoder), batch_size=None, num_workers=args.workers, collate_fn=tuple
    )
    failures = {}
    for name, frames, error in track(loader, 'Detecting objects in videos'):
        if error is None:
            write(target(args.out, name), annotate(name, frames, args.every, args.batch_size, detect))
        else:
            failures[name] = error
    for name, error in failures.items():
        print(f'{name}: {error}', file=sys.stderr)
    if failures:
        sys.exit(f'{len(failures)} of {len(left)} videos could not be decoded; fix them or remove them from the list')


def read_names(path: Path) -> list[str]:
    """Read the names of the videos of a list, whose lines have a name and any number of labels.

    Raises:
        SystemExit: If a line is invalid, or two videos would share a file of boxes.
    """
    lines = [line.split('\t' if '\t' in line else None) for line in path.read_text().splitlines() if line.strip()]
    for name, *labels in lines:
        if not all(label.removeprefix('-').isdecimal() for label in labels):
            sys.exit(
                f'{path} has {" ".join([name, *labels])!r}: labels must be integers; if the name has spaces, put a tab '
                'after it'
            )
    if not lines:
        sys.exit(f'{path} is empty; it must list a video per line')
    names = dict.fromkeys(name for name, *_ in lines)
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(video_name(name), name)
        if other != name:
            sys.exit(
                f'{path} has {other} and {name}, which would share the boxes of video {video_name(name)!r}; rename '
                'one, or use separate lists and folders'
            )
    return list(names)


def claim(args: argparse.Namespace) -> None:
    """Record the settings of the detector in the folder.

    Raises:
        SystemExit: If the folder has boxes of other settings.
    """
    settings = {key: getattr(args, key) for key in ('detector', 'top', 'min_score', 'every')}
    mark = args.out / '_detector.json'
    args.out.mkdir(parents=True, exist_ok=True)
    if mark.exists() and json.loads(mark.read_text()) != settings:
        sys.exit(f'{args.out} contains boxes made with {mark.read_text()}, not {settings}; choose another folder')
    write(mark, settings)


def video_name(name: str) -> str:
    """Return the key of the boxes of a video: its path in the list without extension."""
    return str(Path(name.lstrip('/')).with_name(Path(name).stem))


def target(out: Path, name: str) -> Path:
    """Return the file for the boxes of a video."""
    return out / f'{video_name(name).replace("/", "%2F")}.json'


def write(path: Path, content: dict) -> None:
    """Write JSON atomically."""
    with atomic_write(path) as file:
        file.write_text(json.dumps(content))


class Videos(Dataset):
    """Dataset of (name, every n-th frame (T, H, W, 3), None), or (name, None, error) for undecodable videos."""

    def __init__(self, root: Path, names: list[str], every: int, decoder: str = 'decord') -> None:
        self.root, self.names, self.every, self.decoder = root, names, every, decoder

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[str, np.ndarray | None, str | None]:
        name = self.names[index]
        try:
            reader, timeline = open_video((self.root / name).read_bytes(), self.decoder)
            return name, np.stack(reader.read(np.arange(0, timeline.num_frames, self.every))), None
        except Exception as error:  # decoders raise various errors, and none may stop a long run
            return name, None, str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def annotate(name: str, frames: np.ndarray, every: int, batch_size: int, detect: Detector) -> dict:
    """Return the boxes of a video in Something-Else's format."""
    video, (_, height, width, _) = video_name(name), frames.shape
    found = [
        labels for start in range(0, len(frames), batch_size) for labels in detect(frames[start : start + batch_size])
    ]
    return {
        video: [
            dict(name=f'{video}/{index * every + 1:04}.jpg', width=width, height=height, labels=labels)
            for index, labels in enumerate(found)
        ]
    }


def load_detector(name: str, top: int, min_score: float, half: bool = False) -> Detector:
    """Return a function that maps frames (B, H, W, 3) to the detections of each frame."""
    load = load_faster_rcnn if name == 'fasterrcnn_resnet50_fpn' else load_hugging_face
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    detect = load(name, top, min_score, device)

    @torch.inference_mode()
    def detect_in_precision(frames: np.ndarray) -> list[Detections]:
        dtype = torch.float16 if device.type == 'cuda' else torch.bfloat16
        with torch.autocast(device.type, dtype, enabled=half):
            return detect(frames)

    return detect_in_precision


def load_hugging_face(name: str, top: int, min_score: float, device: torch.device) -> Detector:
    """Load a checkpoint supported by AutoModelForObjectDetection."""
    if importlib.util.find_spec('transformers') is None:
        sys.exit(f'--detector {name} needs Hugging Face transformers: pip install transformers')
    folder = find_checkpoint(name)
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForObjectDetection.from_pretrained(folder).to(device).eval()

    def detect(frames: np.ndarray) -> list[Detections]:
        inputs = processor(images=list(frames), return_tensors='pt').to(device)
        sizes = [frames.shape[1:3]] * len(frames)
        results = processor.post_process_object_detection(model(**inputs), threshold=min_score, target_sizes=sizes)
        return [detections(result, model.config.id2label, top) for result in results]

    return detect


def find_checkpoint(name: str) -> str:
    """Return a folder, the cached folder of a checkpoint, or the name of a checkpoint that can be downloaded.

    Raises:
        SystemExit: If it is none of these.
    """
    import huggingface_hub

    if Path(name).is_dir():
        return name
    try:
        return huggingface_hub.snapshot_download(name, local_files_only=True)
    except Exception:  # not cached, or not a valid name
        pass
    try:
        huggingface_hub.model_info(name, timeout=10)  # one request; transformers would retry for each file
    except Exception as error:  # errors of the hub, the HTTP client or the system
        sys.exit(
            f'--detector {name} is not a folder, is not cached and cannot be downloaded ({type(error).__name__}); on a '
            f'machine with network access run `hf download {name} --local-dir FOLDER`, and pass that FOLDER'
        )
    return name


def load_faster_rcnn(name: str, top: int, min_score: float, device: torch.device) -> Detector:
    """Load torchvision's Faster R-CNN R50-FPN trained on COCO, the detector of the paper."""
    try:
        from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights, fasterrcnn_resnet50_fpn
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision was built for another PyTorch
        sys.exit(
            f'--detector {name} needs a torchvision built for torch {torch.__version__} ({error}); install it from the '
            'package index of torch, or choose a Hugging Face checkpoint'
        )
    weights = FasterRCNN_ResNet50_FPN_Weights.COCO_V1
    try:
        model = fasterrcnn_resnet50_fpn(weights=weights, weights_backbone=None, box_score_thresh=min_score)
    except URLError as error:
        sys.exit(f'{weights.url} cannot be downloaded ({error.reason}); save it in {torch.hub.get_dir()}/checkpoints')
    model = model.to(device).eval()
    categories = dict(enumerate(weights.meta['categories']))

    def detect(frames: np.ndarray) -> list[Detections]:
        images = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2) / 255
        return [detections(result, categories, top) for result in model(list(images))]

    return detect


def detections(result: dict[str, torch.Tensor], categories: dict[int, str], top: int) -> Detections:
    """Return the boxes of a frame with the highest scores, in descending order."""
    scores, order = result['scores'].float().sort(descending=True)
    order = order[:top]
    boxes, labels = result['boxes'][order].float().cpu().tolist(), result['labels'][order].cpu().tolist()
    return [
        dict(
            box2d=dict(zip(('x1', 'y1', 'x2', 'y2'), (round(side, 2) for side in box), strict=True)),
            category=categories.get(label, str(label)),
            score=round(score, 4),
        )
        for box, label, score in zip(boxes, labels, scores[:top].cpu().tolist(), strict=True)
    ]


if __name__ == '__main__':
    main()
