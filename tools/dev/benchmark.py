"""Measure time and memory relative to MMAction2's models: medians, ranges and ratios of interleaved runs.

Examples:
    python tools/dev/benchmark.py                                    # all parts, one thread
    python tools/dev/benchmark.py inference_tsm_r50 --runs 9 --json benchmark.json
    python tools/dev/benchmark.py training --size 112 --threads 4
"""

import argparse
import ctypes
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch._inductor.config
from benchmarks import data  # next to this file
from benchmarks.exported import exported_cases
from benchmarks.plain import PlainDyRegGNN
from benchmarks.windows import windows
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from torch import Tensor, nn

import dyreg_mmaction
from dyreg_mmaction.inference.export import ClipClassifier
from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
Cases = dict[str, Callable[[], object]]


def build(name: str, model: dict | None = None, **backbone: object) -> nn.Module:
    """Build the recognizer of a config, with other options if given, with random weights."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py').model
    cfg.update(model or {})
    cfg.backbone.update(pretrained=None, **backbone)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(cfg).to(DEVICE)


def clips(name: str, args: argparse.Namespace) -> Tensor:
    """Return random input for the backbone of a config."""
    shape = (args.batch, 3, 16) if name.startswith('i3d') else (args.batch * 16, 3)
    return torch.randn(*shape, args.size, args.size, device=DEVICE)


def inference(plain: str, plugged: str, args: argparse.Namespace) -> Cases:
    """Forward pass of the backbone: MMAction2's, with modules, and with modules and fused."""
    x = clips(plain, args)
    models = {'MMAction2, no modules': build(plain).backbone, 'with modules': build(plugged).backbone}
    for model in models.values():
        model.eval()
    for dtype in (torch.float32, torch.bfloat16):
        models[f'with modules, fused, {str(dtype)[6:]}'] = dyreg_mmaction.fuse_for_inference(
            models['with modules'], dtype
        )

    def run(model: nn.Module) -> None:
        with torch.inference_mode():
            model(x)

    cases: Cases = {name: partial(run, model) for name, model in models.items()}
    if DEVICE == 'cuda':
        cases['MMAction2, bfloat16 autocast'] = partial(_under_autocast, cases['MMAction2, no modules'])
        cases['with modules, fused, bfloat16, CUDA graph'] = as_cuda_graph(cases['with modules, fused, bfloat16'])
    return cases


def as_cuda_graph(run: Callable[[], object]) -> Callable[[], object]:
    """Record a run as a CUDA graph, after a warm-up run. Return a function that replays it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def overhead(args: argparse.Namespace) -> Cases:
    """Forward pass of TSM-R50 with no, one and three modules, not fused."""
    x = clips('tsm', args)
    names = {
        'MMAction2, no modules': 'tsm_r50_sthv2',
        'one module, r4': 'tsm_r50_dyreg-r4_sthv2',
        'three modules, r3-4-5': 'tsm_r50_dyreg_sthv2',
    }
    models = {case: build(name).backbone for case, name in names.items()}
    for model in models.values():
        model.eval()
    return {case: partial(torch.inference_mode()(model), x) for case, model in models.items()}


def training(dtype: torch.dtype, args: argparse.Namespace) -> Cases:
    """Forward and backward pass of the recognizer with a loss, without optimizer step."""
    x = clips('tsm', args)
    models = {
        'MMAction2, no modules': build('tsm_r50_sthv2'),
        'with modules': build('tsm_r50_dyreg_sthv2'),
        'with modules, channels last': build('tsm_r50_dyreg_sthv2', channels_last=True),
    }

    def run(model: nn.Module) -> None:
        model.zero_grad()
        with torch.autocast(DEVICE, dtype, enabled=dtype != torch.float32):
            model.cls_head(model.backbone(x), num_segs=16).float().square().mean().backward()

    for model in models.values():
        model.train()
    return {name: partial(run, model) for name, model in models.items()}


def transformer(train: bool, args: argparse.Namespace) -> Cases:
    """VideoMAE's ViT-B without and with a module on 8 x 14 x 14 tokens: forward, or forward and backward pass."""
    x = torch.randn(args.batch, 3, 16, args.size, args.size, device=DEVICE)
    plugged = build('videomae_b_dyreg_k400').backbone
    plain = build('videomae_b_dyreg_k400', plugins=[]).backbone
    models = {'MMAction2, no module': plain.train(train), 'with a module': plugged.train(train)}

    def run(model: nn.Module) -> None:
        with torch.set_grad_enabled(train):
            features = model(x)
        if train:
            model.zero_grad()
            features.square().mean().backward()

    return {name: partial(run, model) for name, model in models.items()}


def compiled(train: bool, args: argparse.Namespace) -> Cases:
    """Recognizers in eager mode and compiled to one graph. The warm-up run compiles them."""
    x = torch.randn(args.batch, 16, 3, args.size, args.size, device=DEVICE)
    names = {'MMAction2, no modules': 'tsm_r50_sthv2', 'with modules': 'tsm_r50_dyreg_sthv2'}
    models = {case: build(name).train(train) for case, name in names.items()}
    if not train:
        models['with modules, fused, float32'] = dyreg_mmaction.fuse_for_inference(models['with modules'])
    compiled = {f'{case}, compiled': torch.compile(model, fullgraph=True) for case, model in models.items()}

    def run(model: nn.Module) -> None:
        with torch.set_grad_enabled(train), torch._inductor.config.patch(freezing=not train):
            logits = model(x, stage='head')
        if train:
            model.zero_grad()
            logits.square().mean().backward()

    return {case: partial(run, model) for case, model in (models | compiled).items()}


def exported(plain: str, plugged: str, args: argparse.Namespace) -> Cases:
    """Forward pass of the recognizer: MMAction2's, with fused modules, and exported to other runtimes."""
    x = torch.randn(args.batch, 16, 3, args.size, args.size)
    model = wake(build(plugged)).cpu().eval()
    models = {
        'MMAction2, no modules': build(plain).cpu().eval(),
        'with modules, fused, float32': dyreg_mmaction.fuse_for_inference(model),
    }
    run = torch.inference_mode()(lambda model: ClipClassifier(model)(x))
    return {name: partial(run, model) for name, model in models.items()} | exported_cases(model, x, args.threads)


def region_losses(test: bool, args: argparse.Namespace) -> Cases:
    """Training or test step of the quick-start recognizer with the class loss alone and with losses for regions.

    The models share their weights, because at this size the memory layout affects the time.
    """
    x, samples = torch.randn(args.batch, 8, 3, 64, 64, device=DEVICE), [ActionDataSample().set_gt_label(0)] * args.batch
    plain, taught = build('tsm_r18_dyreg_mini'), build('tsm_r18_dyreg-motion_mini')
    classified = build('tsm_r18_dyreg_mini', dict(type='RegionRecognizer2D', node_classifier={}))
    for model in (taught, classified):
        model.backbone, model.cls_head = plain.backbone, plain.cls_head

    def run(model: nn.Module, done: float) -> None:
        MessageHub.get_current_instance().update_info_dict(dict(iter=done, max_iters=1))
        model.train(not test)
        if test:
            with torch.inference_mode():
                model(x, samples, mode='predict')
            return
        model.zero_grad()
        losses = model(x, samples, mode='loss')
        sum(value for key, value in losses.items() if 'loss' in key).backward()

    return {
        'class loss alone': partial(run, plain, 0),
        'after MotionLikelihood': partial(run, taught, 0.5),
        'during MotionLikelihood': partial(run, taught, 0),
        'with node_classifier': partial(run, classified, 0),
    }


def module(channels: int, side: int, backward: bool, args: argparse.Namespace) -> Cases:
    """One module on clips of 16 frames: a direct implementation of the equations, and ours."""
    ours = wake(DyRegGNN(channels, side)).to(DEVICE)
    plain = PlainDyRegGNN(ours, 16)
    frames = torch.randn(args.batch * 16, channels, side, side, device=DEVICE)

    def run(call: Callable[[Tensor], Tensor]) -> None:
        if not backward:
            with torch.inference_mode():
                call(frames)
            return
        ours.zero_grad()
        x = frames.clone().requires_grad_()
        call(x).backward(frames)

    def on_frames(x: Tensor) -> Tensor:
        return ours(x.unflatten(0, (-1, 16)).transpose(1, 2)).transpose(1, 2).flatten(0, 1)

    return {'direct': partial(run, plain), 'ours': partial(run, on_frames)}


def standardized(backward: bool, args: argparse.Namespace) -> Cases:
    """One module at r4 with the released and the standardized form of DynamicRegions."""
    x = torch.randn(args.batch, 16, 256, 14, 14, device=DEVICE).transpose(1, 2).requires_grad_(backward)
    changes = dict(standardize=True, zero_init='weight', max_size_ratio=2.0)
    forms = {'released': {}, 'standardized z': dict(standardize=True), 'and zero weight, limited sizes': changes}

    def run(module: nn.Module) -> None:
        with torch.set_grad_enabled(backward):
            y = module(x)
        if backward:
            module.zero_grad()
            y.backward(x.detach())

    cases: Cases = {}
    for name, form in forms.items():
        module = wake(DyRegGNN(256, 14, regions=dict(type='DynamicRegions', **form))).to(DEVICE).train(backward)
        cases[name] = partial(run, module)
    return cases


def scaling(args: argparse.Namespace) -> Cases:
    """Forward pass of the module at r3 with more nodes, more frames or larger frames. The first case is the paper's."""
    cases: Cases = {}
    grown = [dict(), *(dict(num_nodes=n) for n in (36, 100)), *(dict(frames=n) for n in (8, 32, 64))]
    for case in (*grown, *(dict(side=n) for n in (40, 56))):
        case = dict(num_nodes=9, frames=16, side=28) | case
        ours = wake(DyRegGNN(128, case['side'], case['num_nodes'])).to(DEVICE).eval()
        x = torch.randn(args.batch, case['frames'], 128, case['side'], case['side'], device=DEVICE)
        name = f'{case["num_nodes"]} nodes, {case["frames"]} frames of {8 * case["side"]}'
        cases[name] = partial(torch.inference_mode()(ours), x.transpose(1, 2))
    return cases


def wake(model: nn.Module) -> nn.Module:
    """Replace parameters that are initialized with zeros by random numbers."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if not parameter.count_nonzero():
            nn.init.normal_(parameter, std=0.1)
    return model


def _under_autocast(run: Callable[[], object]) -> None:
    with torch.autocast(DEVICE, torch.bfloat16):
        run()


PARTS: dict[str, Callable[[argparse.Namespace], Cases]] = {
    'inference_tsm_r50': partial(inference, 'tsm_r50_sthv2', 'tsm_r50_dyreg_sthv2'),
    'inference_tsm_r18': partial(inference, 'tsm_r18_sthv1', 'tsm_r18_dyreg_sthv1'),
    'inference_i3d_r50': partial(inference, 'i3d_r50_sthv1', 'i3d_r50_dyreg_sthv1'),
    'overhead': overhead,
    'training': partial(training, torch.float32),
    'training_bf16': partial(training, torch.bfloat16),
    'transformer': partial(transformer, False),
    'transformer_training': partial(transformer, True),
    'compile_inference': partial(compiled, False),
    'compile_training': partial(compiled, True),
    'export_tsm_r50': partial(exported, 'tsm_r50_sthv2', 'tsm_r50_dyreg_sthv2'),
    'export_i3d_r50': partial(exported, 'i3d_r50_sthv1', 'i3d_r50_dyreg_sthv1'),
    'module_r3': partial(module, 128, 28, False),
    'module_r4': partial(module, 256, 14, False),
    'module_r5': partial(module, 512, 7, False),
    'module_r3_training': partial(module, 128, 28, True),
    'module_r4_training': partial(module, 256, 14, True),
    'module_r5_training': partial(module, 512, 7, True),
    'standardized': partial(standardized, False),
    'standardized_training': partial(standardized, True),
    'scaling': scaling,
    'region_losses': partial(region_losses, False),
    'region_losses_test': partial(region_losses, True),
    'data_decoders': data.decoders,
    'data_stages': data.stages,
    'windows': windows,
}
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def clock(threads: int) -> float:
    """Return seconds. With one CPU thread this is process time, so other programs matter less."""
    if DEVICE == 'cuda':
        torch.cuda.synchronize()
    return time.process_time() if DEVICE == 'cpu' and threads == 1 else time.perf_counter()


def peak_memory(run: Callable[[], object]) -> float | None:
    """Return the peak memory of a run in MiB, relative to its start. None if the system does not report it."""
    if DEVICE == 'cuda':
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return (torch.cuda.max_memory_allocated() - held) / 2**20
    if sys.platform != 'linux':
        return None
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # resets the peak
    held = _resident('VmRSS')
    run()
    return (_resident('VmHWM') - held) / 1024


def _resident(key: str) -> int:
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def measure(cases: Cases, args: argparse.Namespace) -> list[dict]:
    """Measure cases in turns. Ratios compare runs of the same turn to the first case."""
    memory = {name: peak_memory(run) for name, run in cases.items()}  # also warms up
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(args.runs):
        for name, run in cases.items():
            start = clock(args.threads)
            run()
            times[name].append(clock(args.threads) - start)
    first = next(iter(cases))
    rows = []
    for name, found in times.items():
        ratios = [stock / own for stock, own in zip(times[first], found, strict=True)]
        rows.append(
            dict(
                case=name,
                ms=1000 * statistics.median(found),
                ms_range=[1000 * min(found), 1000 * max(found)],
                speed=statistics.median(ratios),
                speed_range=[min(ratios), max(ratios)],
                memory_mib=memory[name],
            )
        )
    return rows


def machine(args: argparse.Namespace) -> dict:
    """Describe device, versions and settings."""
    name, flags = platform.processor(), ''
    if os.path.exists('/proc/cpuinfo'):
        lines = [line.partition(':')[::2] for line in Path('/proc/cpuinfo').read_text().splitlines()]
        info = {key.strip(): value.strip() for key, value in lines}
        name, flags = info.get('model name', name), info.get('flags', '')
    if DEVICE == 'cuda':
        name = torch.cuda.get_device_name()
    bf16 = [flag for flag in ('amx_bf16', 'avx512_bf16') if flag in flags.split()]
    return dict(
        device=name,
        bfloat16=bf16,
        threads=args.threads,
        torch=torch.__version__,
        batch=args.batch,
        size=args.size,
        runs=args.runs,
    )


def print_rows(part: str, rows: list[dict]) -> None:
    """Print the table of a part."""
    print(f'\n{part:36}{"ms":>9}{"lowest":>9}{"highest":>9}{"speed":>8}{"lowest":>8}{"highest":>8}{"MiB":>8}')
    for row in rows:
        memory = '-' if row['memory_mib'] is None else f'{row["memory_mib"]:.0f}'
        numbers = f'{row["ms"]:9.1f}{row["ms_range"][0]:9.1f}{row["ms_range"][1]:9.1f}'
        ratios = f'{row["speed"]:8.2f}{row["speed_range"][0]:8.2f}{row["speed_range"][1]:8.2f}'
        print(f'{row["case"]:36}{numbers}{ratios}{memory:>8}', flush=True)


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='part', help=f'parts to run (default: all): {", ".join(PARTS)}')
    parser.add_argument('--runs', type=int, default=5, help='runs of each case, after one warm-up run')
    parser.add_argument('--batch', type=int, default=1, help='clips per batch')
    parser.add_argument('--size', type=int, default=224, help='height and width of the frames in pixels')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument('--json', help='also write the numbers to this file')
    args = parser.parse_args()
    if unknown := set(args.parts) - PARTS.keys():
        parser.error(f'unknown part {", ".join(sorted(unknown))}; choose from {", ".join(PARTS)}')
    if min(args.runs, args.batch, args.size, args.threads) < 1:
        parser.error('--runs, --batch, --size and --threads must be at least 1')
    return args


def main() -> None:
    """Measure the parts of the command line."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    found = dict(machine=machine(args), parts={})
    print(', '.join(f'{key} {value}' for key, value in found['machine'].items()), flush=True)
    for part in args.parts or PARTS:
        found['parts'][part] = measure(PARTS[part](args), args)
        print_rows(part, found['parts'][part])
        if args.json:
            Path(args.json).write_text(json.dumps(found, indent=1))


if __name__ == '__main__':
    main()
