"""Count the parameters and multiply-adds of a model, or of all models in Tables 6 and 12 of the paper.

Examples:
    python tools/analysis/get_flops.py configs/tsm_r50_dyreg_sthv2.py
    python tools/analysis/get_flops.py configs/tsm_r50_dyreg_sthv2.py --shape 256 --json
    python tools/analysis/get_flops.py --table
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

import dyreg_mmaction  # noqa: F401  (registers the models)
from dyreg_mmaction.cli.configs import read_config
from dyreg_mmaction.complexity import clip_shape, count
from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.models.finding import find_plugins
from dyreg_mmaction.models.graphs.space_time import SpaceStage
from dyreg_mmaction.models.with_node_classifier import without_node_classifier
from dyreg_mmaction.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


class Row(NamedTuple):
    """A model of the paper: its config, and the numbers in the paper."""

    name: str
    config: str
    params: float  # M
    macs: float | None = None  # G


TABLE_12 = (
    Row('TSM', 'tsm_r50_sthv2.py', 23.9, 65.8),
    Row('TSM + Fixed r4', 'tsm_r50_dyreg-fixed-r4_sthv2.py', 24.9, 66.3),
    Row('TSM + DyReg r4', 'tsm_r50_dyreg-r4_sthv2.py', 25.7, 66.4),
    Row('TSM + Fixed r3-4-5', 'tsm_r50_dyreg-fixed_sthv2.py', 26.1, 67.2),
    Row('TSM + DyReg r3-4-5', 'tsm_r50_dyreg_sthv2.py', 28.7, 67.4),
)
TABLE_6 = (
    Row('ResNet-18, 3 stages', 'multisyncmnist/r18.py', 2.79),
    Row('+ Fixed', 'multisyncmnist/r18_fixed.py', 2.82),
    Row('+ Semantic', 'multisyncmnist/r18_semantic.py', 2.85),
    Row('+ DyReg-Lite', 'multisyncmnist/r18_dyreg-lite.py', 2.83),
    Row('+ DyReg', 'multisyncmnist/r18_dyreg.py', 3.08),
)
NOTES = """
published: count of the released code, which computes messages for all N x N pairs of nodes and projects the map back to
the channels of the backbone.
run: count of this package, which projects each of the N nodes once and adds the results.
The paper's 26.1 M of Fixed r3-4-5 excludes the 1x1 projections and the position embeddings."""


class Complexity(NamedTuple):
    """Cost of a model for one clip.

    Attributes:
        input_shape (tuple[int, ...]): Shape of the clip: (M, C, H, W) for 2D, (M, C, T, H, W) for 3D recognizers.
        params (int): Number of parameters.
        macs (int): Multiply-adds of convolutions, matrix products and recurrent networks, and two for each input value
            of a batch norm, as in fvcore and in Table 12 of DyReg-GNN.
        published_macs (int): Multiply-adds if messages are computed for all pairs of nodes and the map is projected
            back instead of the nodes, as in the released code.
        plugins (dict[str, tuple[int, int]]): Parameters and multiply-adds of each plugin by path.
    """

    input_shape: tuple[int, ...]
    params: int
    macs: int
    published_macs: int
    plugins: dict[str, tuple[int, int]]


def measure(cfg: Config, size: Sequence[int] | None = None) -> Complexity:
    """Count parameters and multiply-adds of a model for one clip of its validation pipeline.

    Args:
        cfg (Config): Config of a 2D or 3D recognizer.
        size (Sequence[int], optional): Height and width of the frames, or shape of the clip. Default: the output of the
            validation pipeline.

    Returns:
        Complexity: The cost.

    Raises:
        ValueError: If the model cannot run on this shape, or the shape cannot be determined.
    """
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmaction')):
        model = MODELS.build(without_node_classifier(cfg.model)).eval()
    size = tuple(size or ())
    shape = size if len(size) > 2 else (*clip_shape(cfg)[: -len(size) or None], *size)
    plugins = find_plugins(model)
    macs, of_modules = count(model, shape, list(plugins.values()))
    with _as_published(model) as differs:
        published_macs = count(model, shape)[0] if differs else macs
    return Complexity(
        shape,
        _params(model),
        macs,
        published_macs,
        {path: (_params(plugin), cost) for (path, plugin), cost in zip(plugins.items(), of_modules, strict=True)},
    )


@contextmanager
def _as_published(model: nn.Module) -> Iterator[bool]:
    """Add the cost of the projections that the released code computes. Yield whether there are any."""

    def project_pairs(stage: SpaceStage, args: tuple[Tensor]) -> None:
        """Project the remaining N * N - N messages."""
        senders, receivers = torch.broadcast_tensors(args[0][..., None, :, :], args[0][..., :, None, :])
        pairs = senders + receivers if stage.combine_by_sum else torch.cat((senders, receivers), dim=-1)
        stage.send(pairs.flatten(-3, -2)[..., args[0].shape[-2] :, :])

    def project_map(module: DyRegGNN, args: tuple[Tensor]) -> None:
        """Project the remaining H * W - N cells of the map."""
        if module.project_back is not None:
            batch, _, time, height, width = args[0].shape
            cells = height * width - module.num_nodes
            module.project_back(args[0].new_empty(batch * time, module.project_back.in_channels, cells, 1))

    hooks = []
    for module in model.modules():
        if isinstance(module, SpaceStage):
            hooks.append(module.register_forward_pre_hook(project_pairs))
        if isinstance(module, DyRegGNN):
            hooks.append(module.register_forward_pre_hook(project_map))
    try:
        yield bool(hooks)
    finally:
        for hook in hooks:
            hook.remove()


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='config file')
    parser.add_argument('--table', action='store_true', help="print the paper's tables with our numbers")
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        help='size, or height and width, of the frames; or shape of the clip, M C H W (2D) or M C T H W (3D) '
        '(default: from the validation pipeline)',
    )
    args = parser.parse_args()
    if (args.config is None) != args.table:
        parser.error('pass a config or --table')
    if args.shape and len(args.shape) not in (1, 2, 4, 5):
        parser.error(f'--shape has {len(args.shape)} numbers; pass 1 or 2 (frames), or 4 or 5 (clip)')
    if args.shape and len(args.shape) == 1:
        args.shape *= 2
    return args


def describe(found: Complexity) -> str:
    """Return the cost as text."""
    lines = [
        f'clip        {" x ".join(map(str, found.input_shape))}',
        f'parameters  {found.params / 1e6:.3f} M',
        f'multiply-adds {found.macs / 1e9:.3f} G ({found.published_macs / 1e9:.3f} G as published)',
    ]
    for path, (params, macs) in found.plugins.items():
        lines.append(f'  {path}: {params / 1e6:.3f} M, {macs / 1e9:.3f} G')
    return '\n'.join(lines)


def measure_row(row: Row) -> dict:
    """Measure a row of the tables, in millions of parameters and billions of multiply-adds."""
    entry = dict(model=row.name, config=row.config, params_paper=row.params, macs_paper=row.macs)
    if (CONFIGS / row.config).is_file():
        found = measure(Config.fromfile(CONFIGS / row.config))
        entry.update(params=found.params / 1e6, macs_published=found.published_macs / 1e9, macs_run=found.macs / 1e9)
    return entry


def print_row(entry: dict) -> None:
    """Print a row of the tables."""
    name = f'{entry["model"]:<20}'
    if 'params' not in entry:
        print(f'{name} skipped: configs/{entry["config"]} does not exist')
        return
    macs = f'{entry["macs_paper"]:10.1f}' if entry['macs_paper'] else f'{"-":>10}'
    print(
        f'{name}{entry["params_paper"]:10.2f}{entry["params"]:10.3f} |{macs}{entry["macs_published"]:12.3f}'
        f'{entry["macs_run"]:10.3f}',
        flush=True,
    )


def main() -> None:
    """Print the cost of the config or the tables."""
    args = parse_args()
    try:
        if not args.table:
            found = measure(read_config(args.config), args.shape)
            print(json.dumps(found._asdict()) if args.json else describe(found))
        elif args.json:
            print(json.dumps([measure_row(row) for row in (*TABLE_12, *TABLE_6)]))
        else:
            for title, rows in (('Table 12', TABLE_12), ('Table 6', TABLE_6)):
                print(f'{title:<20}{"M, paper":>10}{"ours":>10} |{"G, paper":>10}{"published":>12}{"run":>10}')
                for row in rows:
                    print_row(measure_row(row))
            print(NOTES)
    except (ValueError, OSError) as error:
        raise SystemExit(f'get_flops.py: {error}') from error


if __name__ == '__main__':
    main()
