"""Measure the time of RSTG and DyReg-GNN on the same map, forward pass and training step: medians in ms.

    OMP_NUM_THREADS=1 python tools/dev/benchmarks/bench_rstg.py [--channels 512 --size 28 --frames 16]

On CPUs process time is measured, so other programs matter less.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

import dyreg_mmaction  # noqa: F401  (registers the modules)
from dyreg_mmaction.registry import MODELS

CASES = {
    'DyRegGNN': dict(type='DyRegGNN', node_channels=256),
    'DyRegGNN on the grids': dict(
        type='RSTG', node_channels=256, graph=dict(type='SpaceTimeGraph'), position=True, kernel='area'
    ),
    'RSTG, 256 channels': dict(type='RSTG', node_channels=256),
    'RSTG, 256, on dynamic regions': dict(type='DyRegGNN', node_channels=256, graph=dict(type='MultiScaleGraph')),
    'RSTG, 512 channels': dict(type='RSTG', node_channels=512),
    'RSTG, 512, homogenous': dict(
        type='RSTG', node_channels=512, graph=dict(type='MultiScaleGraph', stages='homogenous')
    ),
}


def seconds(module: nn.Module, x: Tensor, train: bool) -> float:
    """Return the time of a forward pass, or of forward and backward pass, in seconds."""
    clock = time.perf_counter if x.is_cuda else time.process_time
    if x.is_cuda:
        torch.cuda.synchronize()
    start = clock()
    with torch.set_grad_enabled(train):
        y = module(x)
        if train:
            y.sum().backward()
    if x.is_cuda:
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    """Measure the modules of the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--batch', type=int, default=2, help='clips per batch')
    parser.add_argument('--frames', type=int, nargs='+', default=[8, 16, 32], help='frames per clip')
    parser.add_argument('--channels', type=int, default=512, help='channels of the map')
    parser.add_argument('--size', type=int, default=28, help='height and width of the map in cells')
    parser.add_argument('--runs', type=int, default=7, help='runs after one warm-up run')
    args = parser.parse_args()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    modules = {
        name: MODELS.build(dict(cfg, in_channels=args.channels, feature_size=args.size)).to(device)
        for name, cfg in CASES.items()
    }
    for module in modules.values():
        nn.init.ones_(module.norm.weight)
    print(f'{args.batch} clips, map of {args.channels} x {args.size} x {args.size}, {device}')
    print(f'{"module":32}{"parameters":>12}' + ''.join(f'{f"T={t} fwd":>12}{"train":>8}' for t in args.frames))
    rows = {name: [] for name in modules}
    for frames in args.frames:
        x = torch.randn(args.batch, args.channels, frames, args.size, args.size, device=device, requires_grad=True)
        for train in (False, True):
            times = [
                {name: seconds(module, x, train) for name, module in modules.items()} for _ in range(args.runs + 1)
            ]
            for name in modules:
                rows[name].append(1000 * statistics.median(run[name] for run in times[1:]))
    for name, row in rows.items():
        count = sum(p.numel() for p in modules[name].parameters())
        numbers = ''.join(f'{fwd:12.0f}{train:8.0f}' for fwd, train in zip(row[::2], row[1::2], strict=True))
        print(f'{name:32}{count:12,}{numbers}')


if __name__ == '__main__':
    main()
