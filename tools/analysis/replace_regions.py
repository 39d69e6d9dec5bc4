"""Measure how much accuracy depends on where the regions are: test with other regions.

Example:
    python tools/analysis/replace_regions.py CONFIG CHECKPOINT --num 1000

The model is tested with its own regions, with each clip's regions replaced by those of another clip, and with the
average of the whole frame for every node. If accuracy stays, the prediction does not depend on what regions locate, or
the average of the map already tells it. Fixed and Static regions are the same in all clips.
"""

import argparse
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import DictAction
from mmengine.dataset import pseudo_collate

from dyreg_mmaction.cli.configs import read_config
from dyreg_mmaction.cli.launch import exit_with_message
from dyreg_mmaction.cli.named_files import check_data
from dyreg_mmaction.evaluation import regions_of_another_clip, regions_of_whole_frame
from dyreg_mmaction.progress import track
from dyreg_mmaction.visualization.inputs import dataset_inputs
from dyreg_mmaction.visualization.predict import load_model

REGIONS = ('own', 'another clip', 'whole frame')


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dataset', choices=['train', 'val', 'test'], default='test', help='dataset of the config')
    parser.add_argument('--num', type=int, default=1000, help='number of clips, evenly spaced over the dataset')
    parser.add_argument('--batch-size', type=int, default=16, help='clips per forward pass, at least 2')
    parser.add_argument('--out', type=Path, help='JSON file to write the accuracies to')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')
    args = parser.parse_args()
    for option in ('batch_size', 'num'):
        if getattr(args, option) < 2:
            parser.error(f'--{option.replace("_", "-")} {getattr(args, option)} must be at least 2')
    return args


def replaced(model: Any, regions: str, num_clips: int) -> AbstractContextManager:
    """Return a context in which the model uses these regions."""
    if regions == 'another clip':
        return regions_of_another_clip(model, num_clips)
    return regions_of_whole_frame(model) if regions == 'whole frame' else nullcontext()


def count_correct(model: Any, batch: list[dict], regions: str) -> int:
    """Return how many clips of a batch are classified correctly with these regions."""
    with torch.inference_mode(), replaced(model, regions, len(batch)):
        results = model.test_step(pseudo_collate(batch))
    return sum(int(result.pred_score.argmax()) == int(result.gt_label) for result in results)


def main() -> None:
    """Test the model with each kind of regions."""
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    check_data(cfg, f'{args.dataset}_dataloader')
    inputs = dataset_inputs(cfg, args.dataset, args.num)
    if len(inputs) < 2:
        raise ValueError(f'--dataset {args.dataset} has {len(inputs)} clips, but at least 2 are needed')
    model = load_model(cfg, args.checkpoint, args.device)
    correct = dict.fromkeys(REGIONS, 0)
    for indices in track(np.array_split(range(len(inputs)), -(-len(inputs) // args.batch_size)), 'Testing'):
        batch = [inputs[index].load() for index in indices]
        for regions in REGIONS:
            correct[regions] += count_correct(model, batch, regions)
    accuracy = {regions: number / len(inputs) for regions, number in correct.items()}
    for regions in REGIONS:
        print(f'regions: {regions:12}  top-1 {accuracy[regions]:.1%} of {len(inputs)} clips')
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(dict(clips=len(inputs), **accuracy), indent=1), encoding='utf-8')
        print(args.out)


if __name__ == '__main__':
    with exit_with_message():
        main()
