"""Export a recognizer to an ONNX or torch.export file, and describe its input in a JSON file next to it.

Examples:
    python tools/deploy/export_model.py configs/tsm_r50_dyreg_sthv2.py checkpoint.pth model.onnx
    python tools/deploy/export_model.py configs/tsm_r50_dyreg_sthv2.py checkpoint.pth model.onnx --int8 videos/*.mp4
    python tools/deploy/export_model.py configs/i3d_r50_dyreg_sthv1.py checkpoint.pth model.pt2 --size 256

tools/deploy/run_exported.py runs the exported file on a video. It does not need MMAction2 and, for ONNX, PyTorch.
"""

import argparse
import runpy
from pathlib import Path

import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.fileio import list_from_file
from mmengine.runner import CheckpointLoader

from dyreg_mmaction.inference.description import describe_input
from dyreg_mmaction.inference.export import check_weights, export, quantize
from dyreg_mmaction.models.with_node_classifier import without_node_classifier

# this example runs exported files without importing this package
EXAMPLE = Path(__file__).parents[1] / '.mim/tools/deploy/run_exported.py'


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='file to write: .onnx or .pt2')
    parser.add_argument(
        '--size', type=int, help='height and width of the crop in pixels (default: from the validation pipeline)'
    )
    parser.add_argument('--label-file', help='class names, one per line (default: from checkpoint or dataset)')
    parser.add_argument(
        '--int8',
        nargs='+',
        metavar='VIDEO',
        help='also write OUT.int8.onnx with convolutions in int8, calibrated on these training videos (about 50)',
    )
    args = parser.parse_args()
    if args.int8 and not args.out.endswith('.onnx'):
        parser.error('--int8 needs an .onnx file')
    return args


def main() -> None:
    """Export the model of the command line."""
    args = parse_args()
    try:
        cfg = Config.fromfile(args.config)
        cfg.model = without_node_classifier(cfg.model)
        model = init_recognizer(cfg, args.checkpoint, device='cpu')
        checkpoint = CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu')
        check_weights(model, checkpoint)
        meta = checkpoint.get('meta', {}).get('dataset_meta')
        if args.label_file:
            meta = dict(classes=list_from_file(args.label_file))
        description = describe_input(model.cfg, args.size, meta)
        difference = export(model, description, args.out)
        print(
            f'{args.out}: maximum relative difference of the logits {difference:.1e}; its JSON file describes the input'
        )
        if args.int8:
            out = Path(args.out).with_suffix('.int8.onnx')
            load_clip = runpy.run_path(str(EXAMPLE))['load_clip']  # calibrate on the input of run_exported.py
            quantize(args.out, (torch.from_numpy(load_clip(video, description)) for video in args.int8), out)
            print(f'{out}: model with convolutions in int8')
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise SystemExit(f'export_model.py: {error}') from error
