"""Write a recogniser as one ONNX or torch.export file, with a JSON file beside it that says how to feed it.

Examples:
    python tools/export_model.py configs/tsm_r50_dyreg_sthv2.py checkpoint.pth model.onnx
    python tools/export_model.py configs/i3d_r50_dyreg_sthv1.py checkpoint.pth model.pt2 --size 256

tools/run_exported.py runs a video through the ONNX file; it needs no MMAction2 and no PyTorch.
"""

import argparse

from mmaction.apis import init_recognizer
from mmengine.fileio import list_from_file
from mmengine.runner import CheckpointLoader

import dyreg_mmaction  # noqa: F401  (registers the models)
from dyreg_mmaction.inference.export import describe_input, export


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', help='file to write: .onnx or .pt2')
    parser.add_argument('--size', type=int, help='side of the crop (default: that of validation)')
    parser.add_argument(
        '--label-file', help='class names, one a line (default: those the checkpoint or data set knows)'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    try:
        model = init_recognizer(args.config, args.checkpoint, device='cpu')
        meta = CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu').get('meta', {}).get('dataset_meta')
        if args.label_file:
            meta = dict(classes=list_from_file(args.label_file))
        description = describe_input(model.cfg, args.size, meta)
        difference = export(model, description, args.out)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise SystemExit(f'export_model.py: {error}') from error
    print(f'{args.out}: logits differ by {difference:.1e} of the largest; the JSON file beside it says how to feed it')


if __name__ == '__main__':
    main()
