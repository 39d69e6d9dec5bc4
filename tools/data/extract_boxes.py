"""Run an object detector over the videos of a list, and write the boxes of each video to a file of its own.

Examples:
    python tools/data/extract_boxes.py data/sthv2/sthv2_train_list_videos.txt data/sthv2/videos data/sthv2/boxes
    python tools/data/extract_boxes.py list.txt videos boxes --detector fasterrcnn_resnet50_fpn
    for i in 1 2 3 4; do CUDA_VISIBLE_DEVICES=$((i - 1)) python tools/data/extract_boxes.py \
        list.txt videos boxes --half --shard $i/4 & done; wait

The detector is a Hugging Face checkpoint for object detection, by name or folder (``pip install
'dyreg_mmaction[boxes]'``), or Faster R-CNN, the paper's, from a torchvision that fits the installed torch. The files
have the form that the transform ``LoadBoxes`` reads. Interrupt it whenever you like: the same command goes on where it
was. Videos that cannot be decoded are named at the end.
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
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('list', type=Path, help="MMAction2's list of videos, a name and labels a line")
    parser.add_argument('root', type=Path, help='folder of the videos')
    parser.add_argument('out', type=Path, help='folder to write <video>.json to')
    parser.add_argument('--detector', default='PekingU/rtdetr_r50vd', help='checkpoint, or fasterrcnn_resnet50_fpn')
    parser.add_argument('--top', type=int, default=9, help='boxes of a frame to keep at most')
    parser.add_argument('--min-score', type=float, default=0.05, help='smallest score of a box to keep')
    parser.add_argument(
        '--every', type=int, default=3, help='look at every n-th frame only; the others have the boxes of the nearest'
    )
    parser.add_argument('--batch-size', type=int, default=16, help='frames that the detector sees at once')
    parser.add_argument('--workers', type=int, default=2, help='processes that decode videos')
    parser.add_argument(
        '--decoder', choices=READERS, default='decord', help='all return the same frames; pyav knows AV1'
    )
    parser.add_argument('--half', action='store_true', help='in half precision (float16, on a CPU bfloat16)')
    parser.add_argument(
        '--shard', type=shard, default=(1, 1), metavar='I/N', help='only the I-th of N parts of the list'
    )
    return parser.parse_args()


def shard(text: str) -> tuple[int, int]:
    """2/8 as the numbers 2 and 8."""
    part, _, parts = text.partition('/')
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f'{text!r} should be I/N with I from 1 to N, such as 2/8')
    return int(part), int(parts)


def main() -> None:
    args = parse_args()
    for option in ('top', 'every', 'batch_size'):
        if getattr(args, option) < 1:
            sys.exit(f'--{option.replace("_", "-")} {getattr(args, option)} must be at least 1')
    for path in (args.list, args.root):
        if not path.exists():
            sys.exit(f'{path} does not exist')
    try:
        import_av()
    except ImportError as error:
        sys.exit(str(error))
    part, parts = args.shard
    names = read_names(args.list)[part - 1 :: parts]
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
        sys.exit(f'{len(failures)} of {len(left)} videos could not be decoded; mend them or take them off the list')


def read_names(path: Path) -> list[str]:
    """The videos of a list, a name and any number of labels a line; no two may be known by the same name."""
    lines = [line.split('\t' if '\t' in line else None) for line in path.read_text().splitlines() if line.strip()]
    for name, *labels in lines:
        if not all(label.removeprefix('-').isdecimal() for label in labels):
            sys.exit(
                f'{path} has {" ".join([name, *labels])!r}: after a name come only numbers; one with spaces needs a tab'
            )
    if not lines:
        sys.exit(f'{path} names no videos')
    names = dict.fromkeys(name for name, *_ in lines)
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(video_name(name), name)
        if other != name:
            sys.exit(
                f'{path} has {other} and {name}, whose boxes would both be those of video {video_name(name)!r}; give '
                'videos names of their own, or list them apart and write to another folder'
            )
    return list(names)


def claim(args: argparse.Namespace) -> None:
    """Make the folder one of this detector, or make sure that it is."""
    settings = {key: getattr(args, key) for key in ('detector', 'top', 'min_score', 'every')}
    mark = args.out / '_detector.json'
    args.out.mkdir(parents=True, exist_ok=True)
    if mark.exists() and json.loads(mark.read_text()) != settings:
        sys.exit(f'{args.out} holds boxes made with {mark.read_text()}, not {settings}; name another folder')
    write(mark, settings)


def video_name(name: str) -> str:
    """What the boxes of a video are known by: its path in the list without extension."""
    return str(Path(name.lstrip('/')).with_name(Path(name).stem))


def target(out: Path, name: str) -> Path:
    """File of the boxes of a video."""
    return out / f'{video_name(name).replace("/", "%2F")}.json'


def write(path: Path, content: dict) -> None:
    """Write a whole file or none."""
    with atomic_write(path) as file:
        file.write_text(json.dumps(content))


class Videos(Dataset):
    """Name, every n-th frame (T, H, W, 3) and None of each video; where it cannot be decoded, None and the reason."""

    def __init__(self, root: Path, names: list[str], every: int, decoder: str = 'decord') -> None:
        self.root, self.names, self.every, self.decoder = root, names, every, decoder

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[str, np.ndarray | None, str | None]:
        name = self.names[index]
        try:
            reader, timeline = open_video((self.root / name).read_bytes(), self.decoder)
            return name, np.stack(reader.read(np.arange(0, timeline.num_frames, self.every))), None
        except Exception as error:  # decoders raise their own kinds, and none may end a run of days
            return name, None, str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def annotate(name: str, frames: np.ndarray, every: int, batch_size: int, detect: Detector) -> dict:
    """Boxes of a video in Something-Else's form."""
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
    """A function from frames (B, H, W, 3) to the detections of each."""
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
    """Any checkpoint that AutoModelForObjectDetection knows."""
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
    """A folder as it is, or that of a checkpoint that was downloaded before, or the name of one that can be now."""
    import huggingface_hub

    if Path(name).is_dir():
        return name
    try:
        return huggingface_hub.snapshot_download(name, local_files_only=True)
    except Exception:  # not there, or no name of a checkpoint
        pass
    try:
        huggingface_hub.model_info(name, timeout=10)  # once; transformers asks again and again for each file
    except Exception as error:  # the hub's own, of its HTTP client, of the system
        sys.exit(
            f'--detector {name} is no folder, was not downloaded before and cannot be had now '
            f'({type(error).__name__}); where there is a network run `hf download {name} --local-dir FOLDER` '
            'and name that FOLDER'
        )
    return name


def load_faster_rcnn(name: str, top: int, min_score: float, device: torch.device) -> Detector:
    """torchvision's Faster R-CNN R50-FPN, trained on COCO: the paper's detector."""
    try:
        from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights, fasterrcnn_resnet50_fpn
    except (ImportError, RuntimeError) as error:  # RuntimeError: one that was built for another torch
        sys.exit(
            f'--detector {name} needs a torchvision that fits torch {torch.__version__} ({error}): pip install '
            'torchvision from the index that torch came from, or choose a Hugging Face checkpoint'
        )
    weights = FasterRCNN_ResNet50_FPN_Weights.COCO_V1
    try:
        model = fasterrcnn_resnet50_fpn(weights=weights, weights_backbone=None, box_score_thresh=min_score)
    except URLError as error:
        sys.exit(f'{weights.url} cannot be had ({error.reason}); put that file into {torch.hub.get_dir()}/checkpoints')
    model = model.to(device).eval()
    categories = dict(enumerate(weights.meta['categories']))

    def detect(frames: np.ndarray) -> list[Detections]:
        images = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2) / 255
        return [detections(result, categories, top) for result in model(list(images))]

    return detect


def detections(result: dict[str, torch.Tensor], categories: dict[int, str], top: int) -> Detections:
    """The best boxes of a frame, best first."""
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
