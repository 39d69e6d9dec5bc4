"""Modules on any device and in any precision: nothing is computed on the host, and regions stay in float32."""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dyreg_mmaction.models import node_rnn
from dyreg_mmaction.models.node_rnn import NodeRNN
from dyreg_mmaction.models.regions import use_boxes
from dyreg_mmaction.ops import map_regions
from dyreg_mmaction.registry import MODELS

DYNAMIC = dict(type='DynamicRegions', hidden_channels=8)
CASES = {
    'dynamic': dict(regions=DYNAMIC),
    'dynamic, projected': dict(regions=DYNAMIC, node_channels=4),
    'lite on a grid': dict(regions=dict(DYNAMIC, heads='pool', rnn='lstm', reference='grid')),
    'constant in time': dict(regions=dict(DYNAMIC, time='constant', recurrent=False, predict_size=False)),
    'fixed': dict(regions=dict(type='FixedRegions', grids=[(1, 1), (1, 3)]), kernel='area'),
    'fixed tents': dict(regions=dict(type='FixedRegions', half_size=0.3)),
    'static': dict(regions=dict(type='StaticRegions')),
    'boxes': dict(regions=dict(type='BoxRegions')),
    'keypoints': dict(regions=dict(type='KeypointRegions')),
    'semantic': dict(regions=dict(type='SemanticMaps')),
    'rstg': dict(type='RSTG', num_nodes=14, node_channels=8, graph=dict(type='MultiScaleGraph', positional=True)),
    'rstg, homogenous': dict(regions=DYNAMIC, graph=dict(type='MultiScaleGraph', stages='homogenous', norm='LN')),
    'rstg, released': dict(regions=DYNAMIC, graph=dict(type='MultiScaleGraph', adjacency='multiply', norm='BN')),
    'own references': dict(
        regions=dict(DYNAMIC, reference=[(0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (0.7, 0.8)], initial_half_size=0.2),
        kernel='raw_tent',
        graph=dict(type='EquationGraph'),
    ),
    'graph variant': dict(
        regions=DYNAMIC, graph=dict(type='SpaceTimeGraph', send_layers=2, update_layers=2, combine_by_sum=False)
    ),
    'mean of messages': dict(regions=DYNAMIC, graph=dict(type='SpaceTimeGraph', aggregation='mean')),
    'conv lstm, reduced': dict(type='DyRegConvLSTM', hidden_channels=4, num_nodes=None, stride=2),
    'conv lstm': dict(type='DyRegConvLSTM', hidden_channels=4, num_nodes=None),
}


def build(case):
    torch.manual_seed(0)
    cfg = dict(type='DyRegGNN', feature_size=7, in_channels=8, num_nodes=4) | CASES[case]
    if cfg['type'] == 'DyRegConvLSTM':
        del cfg['feature_size'], cfg['num_nodes']
    module = MODELS.build(cfg)
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.count_nonzero():
                parameter.normal_(std=0.5)
    return module


def clips(size=7):
    return torch.randn(2, 8, 3, size, size, generator=torch.Generator().manual_seed(1))


def run(module, x, watch=None):
    """Return the output, with boxes for modules that need them."""
    corners = torch.rand(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(2)).sort(dim=-2).values
    with use_boxes(corners.flatten(-2).to(x.device)), watch or nullcontext():
        return module(x)


class OnDevice(TorchDispatchMode):
    """Fails if a tensor is created on another device, or a number is converted to a tensor on the host."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, out)):
            if isinstance(value, torch.Tensor):
                assert value.device.type == self.device, f'{func} has a tensor on {value.device}'
        assert 'lift_fresh' not in str(func), 'a constant is sent to the device'
        return out


@pytest.mark.parametrize('size', [7, 9])
@pytest.mark.parametrize('case', CASES)
def test_no_constant_is_copied_to_the_device(case, size):
    """On CUDA each of these would synchronize, and no graph could be captured."""
    module, x = build(case).to('meta'), clips(size).to('meta')
    assert run(module, x, OnDevice('meta')).shape == x.shape
    run(build(case), clips(size), OnDevice('cpu'))


class Operators(TorchDispatchMode):
    """Count the operators that run inside, in forward and backward."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def count_operators(run):
    with Operators() as operators:
        run()
    return operators.count


def test_number_of_operators_on_a_gpu_does_not_depend_on_the_batch():
    """Meta tensors use the GPU's code path, where small blocks would need hundreds of kernels."""
    graph = MODELS.build(dict(type='SpaceTimeGraph', channels=256)).to('meta')
    counts = [
        count_operators(lambda clips=clips: graph.space(torch.empty(16, clips, 9, 256, device='meta')).sum().backward())
        for clips in (1, 16)
    ]
    assert counts[0] == counts[1] < 220
    module = MODELS.build(dict(type='DyRegGNN', in_channels=256, feature_size=14)).to('meta')
    with torch.no_grad():
        counts = [
            count_operators(lambda clips=clips: module(torch.empty(clips, 256, 16, 14, 14, device='meta')))
            for clips in (1, 16)
        ]
    assert counts[1] < counts[0] + 10  # some views of one clip need a copy with more


def test_copies_to_the_device_are_detected():
    with OnDevice('meta'), pytest.raises(AssertionError, match='has a tensor on cpu'):
        torch.arange(2).to('meta')
    with OnDevice('cpu'), pytest.raises(AssertionError, match='sent to the device'):
        torch.zeros(2).new_tensor([1.0, 2.0])


@pytest.mark.parametrize('case', CASES)
def test_module_built_on_meta_and_loaded_computes_the_same(case):
    """The module stores no geometry, because ``to_empty`` would leave it undefined."""
    module = build(case).eval()
    with torch.device('meta'):
        empty = copy.deepcopy(module).to('meta')
    loaded = empty.to_empty(device='cpu').eval()
    loaded.load_state_dict(module.state_dict())
    assert torch.equal(run(loaded, clips()), run(module, clips()))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('case', [case for case in CASES if not case.startswith('conv lstm')])
def test_half_precision_weights_keep_regions_in_float32(case, dtype):
    module, x = build(case), clips()
    half = copy.deepcopy(module).to(dtype)
    seen = []
    for m in (module, half):
        m.regions.register_forward_hook(
            lambda _, __, out: seen.append(map_regions(out) if isinstance(out, torch.Tensor) else out)
        )
    expected, output = run(module, x), run(half, x.to(dtype))
    assert output.dtype == dtype and seen[1].center.dtype == seen[1].half_size.dtype == torch.float32
    if case in ('fixed', 'fixed tents', 'boxes', 'rstg'):
        assert torch.equal(seen[1].center, seen[0].center)
    torch.testing.assert_close(seen[1].center, seen[0].center, atol=0.5, rtol=0)
    assert (output - expected).norm() < 0.1 * (expected - x).norm()
    output.float().square().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in half.parameters())


@pytest.mark.parametrize('device, in_autocast', [('cpu', False), ('meta', True)])
def test_recurrent_networks_ignore_autocast_on_cpus(device, in_autocast, monkeypatch):
    """Only cuDNN's kernels support half precision; the meta device represents all devices other than CPUs."""
    holder = node_rnn if device == 'cpu' else torch
    seen, kernel = [], holder.gru

    def watched(*args):
        seen.append(torch.is_autocast_enabled('cpu'))
        return kernel(*args)

    monkeypatch.setattr(holder, 'gru', watched)
    with torch.autocast('cpu', torch.bfloat16):
        NodeRNN(4).to(device)(torch.empty(2, 1, 3, 4, device=device))
    assert seen == [in_autocast]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_forward_on_cuda_does_not_synchronize_and_keeps_half_precision():
    module, x = build('dynamic').cuda(), clips().cuda()
    kinds = []
    module.graph.time.register_forward_hook(lambda _, __, out: kinds.append(out.dtype))
    with torch.autocast('cuda', torch.bfloat16):
        module(x)  # the first call may initialize libraries
        torch.cuda.set_sync_debug_mode('error')
        try:
            module(x)
        finally:
            torch.cuda.set_sync_debug_mode('default')
    assert set(kinds) == {torch.bfloat16}
