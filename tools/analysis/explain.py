"""Measure on which nodes the predictions of a model depend, on videos or on clips of a dataset.

Example:
    python tools/analysis/explain.py CONFIG CHECKPOINT --dataset val --num 40 --out explained

The effect of a node is the difference of the log-odds of the class with all nodes and without this node. A closed node
sends no messages and is not projected back. The output folder contains ``explanations.json``, ``nodes.csv`` (one line
per node and clip) and ``curves.png``: the probability of the class while nodes are closed (deletion) or opened
(insertion) in the order of their effect, of their motion, and in random orders. With ``--html`` it also contains
``report.html`` with effects and regions of each clip.
"""

import argparse
import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dyreg_mmaction.cli.clips import add_clip_options, check_clip_options, find_inputs, open_report
from dyreg_mmaction.cli.configs import read_config
from dyreg_mmaction.cli.launch import exit_with_message
from dyreg_mmaction.evaluation.explanation import RANDOM_ORDERS, Explanation, explain
from dyreg_mmaction.evaluation.grad_cam import grad_cam
from dyreg_mmaction.evaluation.node_effects import (
    NodeEffect,
    areas,
    distance_correlation,
    effects_by_place,
    mean_curves,
    node_effects,
)
from dyreg_mmaction.progress import track
from dyreg_mmaction.visualization import RegionClip
from dyreg_mmaction.visualization.curves import draw_curves
from dyreg_mmaction.visualization.predict import class_names, load_model, predict_clip


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add_clip_options(parser, num=20)
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--html', action='store_true', help='write report.html, a self-contained page')
    parser.add_argument('--grad-cam', action='store_true', help='also show Grad-CAM in report.html (needs captum)')
    parser.add_argument('--target', type=int, help='class to explain; by default the predicted class of each clip')
    parser.add_argument('--per-frame', action='store_true', help='also close each node in single frames')
    parser.add_argument(
        '--random-orders', type=int, default=RANDOM_ORDERS, help='number of random orders for the curves'
    )
    parser.add_argument('--max-clips', type=int, default=32, help='clips per forward pass; fewer need less memory')
    args = parser.parse_args()
    check_clip_options(parser, args)
    if args.grad_cam and not args.html:
        parser.error('--grad-cam needs --html')
    if args.grad_cam and find_spec('captum') is None:
        parser.error("--grad-cam needs captum: pip install 'dyreg_mmaction[explain]'")
    for option in ('random_orders', 'max_clips'):
        if getattr(args, option) < 1:
            parser.error(f'--{option.replace("_", "-")} {getattr(args, option)} must be at least 1')
    return args


def explain_sample(model: Any, sample: dict, args: argparse.Namespace) -> Explanation:
    """Explain a sample with the options of the command line."""
    return explain(model, sample, args.target, args.per_frame, args.random_orders, args.max_clips)


def nodes_of_sample(name: str, sample: dict, explanation: Explanation) -> list[NodeEffect]:
    """Return the effects of the nodes of a sample, with its objects if they are known."""
    known = sample['data_samples']
    objects = np.asarray(known.objects, float) if 'objects' in known else None
    return node_effects(name, explanation, objects, known.get('acting'))


def draw_sample(model: Any, name: str, sample: dict, explanation: Explanation, classes: list[str] | None) -> RegionClip:
    """Return the first view of a sample with the effects of its nodes."""
    explained = classes[explanation.target] if classes else f'class {explanation.target}'
    return predict_clip(model, sample, classes, name=name)._replace(explanation=explanation, explained=explained)


def as_json(name: str, explanation: Explanation, classes: list[str] | None) -> dict:
    """Return an explanation as plain values for JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if hasattr(value, '_asdict'):
            return plain(value._asdict())
        return value.tolist() if isinstance(value, np.ndarray) else value

    content = plain(explanation._replace(regions={})._asdict())
    content.pop('regions')
    target = explanation.target
    return dict(clip=name, class_name=classes[target] if classes else None, **content)


def _without_nan(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in numbers.items()}


def write(out: Path, found: list[tuple[str, Explanation]], rows: list[NodeEffect], classes: list[str] | None) -> None:
    """Write explanations.json, nodes.csv and curves.png."""
    explanations = [explanation for _, explanation in found]
    curves = mean_curves(explanations)
    content = dict(
        clips=[as_json(name, explanation, classes) for name, explanation in found],
        areas=areas(curves),
        places={place: _without_nan(numbers) for place, numbers in effects_by_place(rows).items()},
        **_without_nan(dict(distance_correlation=distance_correlation(rows))),
    )
    (out / 'explanations.json').write_text(json.dumps(content, indent=1), encoding='utf-8')
    with (out / 'nodes.csv').open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([NodeEffect._fields, *rows])
    draw_curves(out / 'curves.png', curves)


def print_summary(rows: list[NodeEffect], explanations: list[Explanation]) -> None:
    """Print areas under the curves and effects by place of the nodes."""
    for name, both in areas(mean_curves(explanations)).items():
        print(f'order by {name:7} area under deletion {both["deletion"]:.3f}, under insertion {both["insertion"]:.3f}')
    for place, numbers in effects_by_place(rows).items():
        print(
            f'{place:11} {numbers["nodes"]:6.1%} of the nodes, mean effect {numbers["effect"]:+.3f}, '
            f'the strongest node in {numbers["strongest"]:.1%} of the clips'
        )
    if not np.isnan(correlation := distance_correlation(rows)):
        print(f'rank correlation of effect and distance from the nearest acting object: {correlation:+.3f}')


def main() -> None:
    """Explain the clips of the command line."""
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    inputs, classes = find_inputs(args, cfg), class_names(cfg, args.labels)
    args.out.mkdir(parents=True, exist_ok=True)
    model = load_model(cfg, args.checkpoint, args.device)
    found: list[tuple[str, Explanation]] = []
    rows: list[NodeEffect] = []
    report = open_report(args, cfg, args.out, title='Effects of nodes: ')
    for clip in track(inputs, 'Explaining clips'):
        try:
            sample = clip.load()
            explanation = explain_sample(model, sample, args)
        except (ValueError, OSError) as error:
            print(f'{clip.name} is skipped: {error}', file=sys.stderr)
            continue
        found.append((clip.name, explanation))
        rows += nodes_of_sample(clip.name, sample, explanation)
        if args.grad_cam:
            sample['data_samples'].set_field(grad_cam(model, sample, explanation), 'heat')
        if args.html:
            report.add(draw_sample(model, clip.name, sample, explanation, classes))
    if report.close():
        print(report.path)
    if not found:
        raise SystemExit(f'none of the {len(inputs)} clips can be read; check the messages above')
    write(args.out, found, rows, classes)
    print_summary(rows, [explanation for _, explanation in found])
    print(args.out / 'explanations.json')


if __name__ == '__main__':
    with exit_with_message():
        main()
