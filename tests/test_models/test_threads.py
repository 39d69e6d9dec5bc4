"""One model in several threads: forwards of different threads are independent."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from torch import nn
from torch._dynamo.testing import CompileCounter

from dyreg_mmaction.models import RegionRecognizer2D, attach_regions, record_regions
from dyreg_mmaction.registry import MODELS

THREADS = 8


@MODELS.register_module()
class ClipMean(nn.Module):
    """A plugin whose output depends on the clips: each map and the mean over the frames."""

    def __init__(self, in_channels, feature_size):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(in_channels, 1, 1, 1))

    def forward(self, x):
        return x + self.weight * x.mean(2, keepdim=True)


@pytest.fixture(autouse=True)
def switching():
    """Switch between threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(run, arguments):
    """Return the results of ``run`` in threads that start at the same time."""
    start = threading.Barrier(len(arguments))

    def wait_and_run(argument):
        start.wait(timeout=60)
        return run(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(wait_and_run, arguments))


def c2d(**kwargs):
    """A backbone whose maps (B*T,C,H,W) do not determine B: C2D."""
    torch.manual_seed(0)
    stage = dict(num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,))
    plugins = [dict(type='ClipMean', after='layer1.1.conv2')]
    config = dict(type='DyRegC2D', depth=50, input_size=16, plugins=plugins, norm_eval=True, **stage)
    return MODELS.build(config | kwargs).train()


REGIONS = dict(type='DyRegGNN', after='layer1.1.conv2', num_nodes=2, node_channels=8)
SHAPES = [(1, 12), (2, 6), (3, 4), (6, 2)]  # clips and frames with the same number of maps


def clips(index):
    num_clips, frames = SHAPES[index % len(SHAPES)]
    return torch.randn(num_clips, 3, frames, 16, 16, generator=torch.Generator().manual_seed(index))


def test_eight_threads_with_clips():
    model, batches = c2d().eval(), [clips(index) for index in range(THREADS)]
    with torch.no_grad():
        expected = [model(batch) for batch in batches]

    def run(index):
        with torch.no_grad():
            return [model(batches[index]) for _ in range(5)]

    for found, right in zip(at_once(run, range(THREADS)), expected, strict=True):
        assert all(torch.equal(each, right) for each in found)


def recognizer(**plugin):
    torch.manual_seed(0)
    stages = dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,))
    backbone = dict(
        type='DyRegResNet',
        depth=18,
        num_segments='batch',
        input_size=16,
        plugins=[dict(after='layer2.1', **plugin)],
        **stages,
    )
    head = dict(type='TSNHead', num_classes=3, in_channels=128, dropout_ratio=0, average_clips='prob')
    with DefaultScope.overwrite_default_scope('mmaction'):
        return RegionRecognizer2D(backbone, head).eval()


def test_eight_threads_with_frames_and_batch_num_segments():
    model = recognizer(type='ClipMean')

    def run(index):
        num_clips, frames = SHAPES[index % len(SHAPES)]
        images = torch.randn(1, 12, 3, 16, 16, generator=torch.Generator().manual_seed(index))
        samples = [ActionDataSample(metainfo=dict(num_clips=num_clips, clip_len=frames)) for _ in images]
        with torch.no_grad():
            return [model(images, samples, mode='predict')[0].pred_score.clone() for _ in range(5)]

    expected = [run(index) for index in range(THREADS)]
    for found, right in zip(at_once(run, range(THREADS)), expected, strict=True):
        assert all(torch.equal(each, right[0]) for each in found)


def test_overlapping_recordings_of_a_compiled_model():
    torch._dynamo.reset()
    counter = CompileCounter()
    model, x = c2d(plugins=[REGIONS]).eval(), clips(0)
    compiled = torch.compile(model, backend=counter)
    with torch.no_grad():
        compiled(x)
        first, second = record_regions(model), record_regions(model)
        first.__enter__()
        record = second.__enter__()
        first.__exit__(None, None, None)
        compiled(x)
        second.__exit__(None, None, None)
        assert len(record['layer1.1.conv2']) == 1
        before = counter.frame_count
        torch.compile(nn.ReLU(), backend=counter)(x)
    assert counter.frame_count == before + 1


def test_each_thread_records_its_own_forwards():
    model, batches = c2d(plugins=[REGIONS]).eval(), [clips(index) for index in range(THREADS)]

    def run(index):
        with torch.no_grad(), record_regions(model) as record:
            for _ in range(3):
                model(batches[index])
        return record['layer1.1.conv2']

    expected = [run(index) for index in range(THREADS)]
    for found, right in zip(at_once(run, range(THREADS)), expected, strict=True):
        assert len(found) == 3 and all(torch.equal(each.center, right[0].center) for each in found)


def test_each_thread_attaches_its_own_regions():
    model = recognizer(type='DyRegGNN', feature_size=4, num_nodes=2)
    for parameter in model.backbone.plugins.parameters():
        nn.init.normal_(parameter, std=0.5)

    def run(index):
        images = torch.randn(1, 12, 3, 32, 32, generator=torch.Generator().manual_seed(index))
        samples = [ActionDataSample(metainfo=dict(num_clips=3, clip_len=4)) for _ in images]
        with torch.no_grad(), attach_regions(model):
            return [model(images, samples, mode='predict')[0].regions['layer2.1'].center for _ in range(3)]

    expected = [run(index) for index in range(THREADS)]
    assert not torch.equal(expected[0][0], expected[1][0])
    for found, right in zip(at_once(run, range(THREADS)), expected, strict=True):
        assert all(torch.equal(each, right[0]) for each in found)


def test_module_that_was_replaced_is_hooked_once():
    model, x = c2d().eval(), clips(0)
    model.layer1[1].conv2 = nn.Sequential(model.layer1[1].conv2)
    with torch.no_grad():
        found = at_once(lambda _: model(x), range(THREADS))
    assert len(model.layer1[1].conv2._forward_hooks) == 1
    assert all(torch.equal(each, found[0]) for each in found)


def gradients(outputs, inputs):
    """Return the gradients of the inputs; those of the weights are accumulated by all threads."""
    sum(y.square().mean() for y in outputs).backward()
    return [x.grad for x in inputs]


def learn(model, *indices):
    """Return the gradients of batches whose forwards all precede the backward."""
    inputs = [clips(index).requires_grad_() for index in indices]
    return gradients([model(x) for x in inputs], inputs)


def test_recomputed_blocks_use_the_clips_of_their_forward():
    plain, checkpointed = (c2d(with_cp=with_cp).requires_grad_(False) for with_cp in (False, True))
    torch.testing.assert_close(learn(checkpointed, 0, 1, 2, 3), learn(plain, 0, 1, 2, 3))


def test_checkpointed_blocks_in_eight_threads():
    model = c2d(with_cp=True).requires_grad_(False)
    expected = [learn(model, index, index + 1) for index in range(THREADS)]
    for found, right in zip(at_once(lambda i: learn(model, i, i + 1), range(THREADS)), expected, strict=True):
        assert all(map(torch.equal, found, right))


def test_backward_in_another_thread():
    """As on a GPU, where backward runs in its own threads."""
    model = c2d(with_cp=True).requires_grad_(False)
    inputs = [clips(index).requires_grad_() for index in range(2)]
    outputs = [model(x) for x in inputs]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(gradients, outputs, inputs).result()
    torch.testing.assert_close(found, learn(c2d().requires_grad_(False), 0, 1))


def test_modules_checkpointed_by_the_runner():
    model, plain = (c2d().requires_grad_(False) for _ in range(2))
    turn_on_activation_checkpointing(model, ['layer1'])
    torch.testing.assert_close(learn(model, 0, 1), learn(plain, 0, 1))


def test_module_outside_a_forward_raises_an_error():
    model = c2d().eval()
    with pytest.raises(RuntimeError, match="'layer1.1.conv2' runs outside of a forward of its backbone"):
        model.layer1(torch.randn(4, 64, 4, 4))


@pytest.mark.parametrize('what', [pytest.param('backbone', marks=pytest.mark.slow), 'block'])
def test_compiled_model_in_threads(what):
    torch._dynamo.reset()
    model, batches = c2d().eval(), [clips(index) for index in range(3)]
    with torch.no_grad():
        expected = [model(batch) for batch in batches]
        (model if what == 'backbone' else model.layer1[1]).compile(backend='eager', fullgraph=True)
        found = [model(batch) for batch in batches]
        torch.testing.assert_close(found, expected)

        def run(index):
            with torch.no_grad():
                return model(batches[index % len(batches)])

        for index, each in enumerate(at_once(run, range(THREADS))):
            assert torch.equal(each, found[index % len(found)])
