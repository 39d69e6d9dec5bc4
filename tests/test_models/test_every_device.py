"""Results on all available devices: ``pytest -k cuda`` runs those of a GPU."""

import copy

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import DefaultScope
from torch.nn.parallel import DistributedDataParallel

from dyreg_mmaction.models.losses import MotionLikelihood
from dyreg_mmaction.registry import MODELS

from .test_devices import CASES, build, clips, run

BACKBONES = {
    'TSM': dict(type='DyRegResNetTSM', depth=18, num_segments=4, pretrained=None),
    'I3D': dict(type='DyRegResNet3d', depth=18, base_channels=16, conv1_stride_t=1, pool1_stride_t=1, pretrained=None),
}


def backbone(name, **options):
    torch.manual_seed(0)
    plugin = dict(type='DyRegGNN', after='layer2.1', num_nodes=4, node_channels=16)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(dict(BACKBONES[name], input_size=64, plugins=[plugin], **options))
    with torch.no_grad():
        for parameter in model.plugins.parameters():
            if not parameter.count_nonzero():
                parameter.normal_(std=0.5)
    frames = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return model.eval(), frames if name == 'TSM' else frames.transpose(0, 1)[None]


def check_against_float64(module, x, device, call=lambda module, x: module(x)):
    """Output and gradients in float32 on the device equal those in float64 on a CPU."""
    found = []
    for m, at in ((module.double(), torch.device('cpu')), (copy.deepcopy(module).float(), device)):
        m = m.to(at)
        given = x.to(at, next(m.parameters()).dtype).requires_grad_()
        out = call(m, given)
        out = out if isinstance(out, torch.Tensor) else out[-1]
        out.square().mean().backward()
        grads = {name: p.grad for name, p in m.named_parameters() if p.grad is not None}
        found.append({'output': out.detach(), 'input': given.grad, **grads})
    expected, actual = found
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        scale = value.abs().max().item()
        error = (actual[name].cpu().double() - value).abs().max().item()
        assert error <= 2e-3 * scale + 1e-7, f'{name}: {error:.2g} of {scale:.2g}'


@pytest.mark.parametrize('case', CASES)
def test_modules_agree_with_float64(case, device):
    check_against_float64(build(case).eval(), clips(), device, run)


@pytest.mark.parametrize('name', BACKBONES)
def test_backbones_agree_with_float64(name, device):
    check_against_float64(*backbone(name), device)


@pytest.mark.parametrize('name', BACKBONES)
def test_channels_last_gives_the_same_result(name, device):
    model, x = backbone(name)
    other, _ = backbone(name, channels_last=True)
    with torch.inference_mode():
        expected, found = (m.to(device)(x.to(device)) for m in (model, other))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('case', [case for case in CASES if case != 'conv lstm'])
def test_mixed_precision_trains(case, dtype, device):
    module, x = build(case).to(device), clips().to(device)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-2)
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**10, enabled=dtype == torch.float16)
    expected = (run(module, x) - x).square().mean()
    with torch.autocast(device.type, dtype):
        loss = (run(module, x) - x).square().mean()
    torch.testing.assert_close(loss, expected, rtol=0.1, atol=0)
    scaler.scale(loss).backward()
    before = [p.detach().clone() for p in module.parameters()]
    scaler.step(optimizer)
    scaler.update()
    after = list(module.parameters())
    assert all(p.isfinite().all() for p in after)
    assert any(not torch.equal(p, old) for p, old in zip(after, before, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize('case', ['dynamic, projected', 'rstg'])
def test_compiled_modules_compute_the_same(case, device):
    module, x = build(case).to(device).eval(), clips().to(device)
    torch._dynamo.reset()
    with torch.inference_mode():
        expected = module(x)
        # on a CPU, test_deployment.py and test_compiled.py run code of inductor
        backend = 'aot_eager' if device.type == 'cpu' else 'inductor'
        compiled = torch.compile(module, backend=backend, fullgraph=True)
        torch.testing.assert_close(compiled(x), expected, rtol=1e-3, atol=1e-4)


def test_one_process_of_a_distributed_training(device):
    kind = 'nccl' if device.type == 'cuda' else 'gloo'
    dist.init_process_group(kind, store=dist.HashStore(), rank=0, world_size=1)
    try:
        module, x = build('dynamic').to(device), clips().to(device)
        module(x).square().mean().backward()
        expected = [p.grad.clone() for p in module.parameters()]
        module.zero_grad()
        DistributedDataParallel(module)(x).square().mean().backward()
        torch.testing.assert_close([p.grad for p in module.parameters()], expected)
    finally:
        dist.destroy_process_group()


def test_motion_likelihood_agrees_with_float64(device):
    frames = torch.rand(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    losses = []
    for at, dtype in (('cpu', torch.float64), (device, torch.float32)):
        module, x = build('dynamic').to(at, dtype), clips().to(at, dtype)
        seen = []
        module.regions.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
        module(x)
        (regions,) = seen
        loss, _ = MotionLikelihood(steady=False)({'plugin': regions}, frames[:, :3].to(at, dtype), [])
        loss.backward()
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
