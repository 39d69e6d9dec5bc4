"""Test a model with other regions: how much does accuracy depend on where the regions are?

Example:
    python tools/analysis/replace_regions.py CONFIG CHECKPOINT --out replaced.json

The test set is tested three times: with the model's own regions, with each clip's regions replaced by those of a clip
of another class, and with the average of the whole frame for every node. If accuracy stays, predictions do not depend
on what the regions locate, or the average of the map already tells it. Regions that are the same in all clips, such as
FixedRegions, do not change in the second test.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from mmengine.config import DictAction
from mmengine.hooks import Hook

from dyreg_mmaction.cli.launch import TEST, build_runner, exit_with_message, load_config
from dyreg_mmaction.cli.test import apply_options
from dyreg_mmaction.evaluation.replacing_regions import ReplacedRegions, partners


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', type=Path, help='JSON file to write the accuracies to')
    parser.add_argument('--work-dir', help='folder for logs; by default work_dirs/CONFIG_NAME')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')
    parser.set_defaults(launcher='none', show=False, show_dir=None, dump=None, fuse=None)
    args = parser.parse_args()
    if args.out is not None and args.out.exists():
        parser.error(f'--out {args.out} exists; choose another name, or remove it')
    if args.out is not None:
        try:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.touch(exist_ok=False)
            args.out.unlink()
        except OSError as error:
            parser.error(f'--out {args.out} cannot be written ({error}); choose another folder')
    return args


class CollectLabels(Hook):
    """Collects the classes of the tested clips."""

    def __init__(self) -> None:
        self.labels: list[list[int]] = []

    def before_test_epoch(self, runner: Any) -> None:
        """Forget the labels of the test before."""
        self.labels = []

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Add the labels of a batch."""
        for label in (sample.gt_label.flatten() for sample in outputs):
            self.labels.append(
                (label.nonzero().flatten() if len(label) > 1 else label).tolist()
            )  # several: 0 or 1 each


def test(runner: Any) -> dict[str, float]:
    """Return the accuracies of a test."""
    accuracies = {name: value for name, value in runner.test().items() if name.startswith('acc/')}
    if not accuracies:
        raise ValueError("test_evaluator has no accuracy; add dict(type='AccMetric')")
    return accuracies


def test_with_other_regions(runner: Any) -> dict[str, dict[str, float]]:
    """Return the accuracies with own and with other regions.

    Raises:
        ValueError: If the model has no regions, or clips have no labels.
    """
    replaced, collect = ReplacedRegions(runner.model), CollectLabels()
    runner.register_hook(collect)
    with replaced.recording():
        own = test(runner)
    labels = collect.labels
    if unlabeled := sum(not label or min(label) < 0 for label in labels):
        raise ValueError(f'{unlabeled} of {len(labels)} clips have no label; use a labeled dataset')
    partner = partners(labels)
    if same := sum(bool(set(label) & set(labels[i])) for label, i in zip(labels, partner, strict=True)):
        print(f'{same} of {len(labels)} clips share a class with the clip whose regions they get')
    with replaced.by_another_clip(partner):
        another = test(runner)
    with replaced.by_whole_frame():
        whole = test(runner)
    return {'own': own, 'another clip': another, 'whole frame': whole}


def main() -> None:
    """Test the checkpoint of the command line."""
    args = parse_args()
    with exit_with_message():
        cfg = load_config(args, TEST)
        apply_options(cfg, args)
        runner = build_runner(cfg)
        results = test_with_other_regions(runner)
        for regions, accuracies in results.items():
            print(f'regions: {regions:12}  ' + '  '.join(f'{name} {value:.4f}' for name, value in accuracies.items()))
        if args.out is not None:
            args.out.write_text(json.dumps(results, indent=1), encoding='utf-8')


if __name__ == '__main__':
    main()
