"""Write the checkpoint of a model zoo: weights for testing in half precision, with config and class names.

Example:
    python tools/deploy/publish_checkpoint.py configs/multisyncmnist/small/cnn_dyreg.py \
        work_dirs/study/cnn_dyreg_seed0/checkpoint.pth configs/multisyncmnist/small/cnn_dyreg.pth

It prints the SHA-256 hash and the size of the file for the metafile.
"""

import argparse
import hashlib
from pathlib import Path

from mmengine.config import Config

from dyreg_mmaction.checkpoints import load_file, save_file
from dyreg_mmaction.registry import DATASETS


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('config', type=Path, help='config that the model was trained with')
    parser.add_argument('checkpoint', type=Path, help='checkpoint of the training')
    parser.add_argument('out', type=Path, help='file to write')
    return parser.parse_args()


def main() -> None:
    """Write the file of the command line."""
    args = parse_args()
    cfg = Config.fromfile(args.config)
    content = load_file(args.checkpoint)
    meta = content.get('meta') or {}
    classes = (meta.get('dataset_meta') or {}).get('classes')
    if classes is None:
        classes = DATASETS.get(cfg.test_dataloader.dataset.type).METAINFO['classes']
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in content['state_dict'].items()
        if not key.startswith('node_classifier.')
    }
    kept = {key: meta[key] for key in ('epoch', 'iter') if key in meta}
    save_file(
        dict(state_dict=state, meta=dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=classes), **kept)), args.out
    )
    print(f'SHA256 {hashlib.sha256(args.out.read_bytes()).hexdigest()}, {args.out.stat().st_size:,} bytes')


if __name__ == '__main__':
    main()
