"""Compilation and export of backbones with plugins."""

import shutil

import numpy as np
import pytest
import torch
from backbone_cases import PLUGIN, toy, wake

from dyreg_mmaction.registry import MODELS

LITE = dict(
    regions=dict(type='DynamicRegions', hidden_channels=8, heads='pool', rnn='lstm'),
    graph=dict(type='SpaceTimeGraph', rnn='lstm'),
)
SIZE = 32


def awake(**parts):
    torch.manual_seed(0)
    model = toy(dict(PLUGIN, after='second', **parts), size=SIZE).eval()
    wake(model.plugins)
    return model


def frames(clips):
    return torch.randn(4 * clips, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(clips))


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['DyRegGNN', 'RSTG', 'DyRegConvLSTM'])
def test_module_is_one_graph(kind):
    torch.manual_seed(0)
    sizes = dict(in_channels=8) if kind == 'DyRegConvLSTM' else dict(in_channels=8, feature_size=7, node_channels=4)
    module = MODELS.build(dict(type=kind, **sizes))
    wake(module)
    x = torch.randn(2, 8, 3, 7, 7)
    torch.testing.assert_close(torch.compile(module, backend='eager', fullgraph=True)(x), module(x))
    exported = torch.export.export(torch.nn.Sequential(module), (x,))
    torch.testing.assert_close(exported.module()(x), module(x))


@pytest.mark.skipif(not hasattr(torch.compiler, 'is_exporting'), reason='this PyTorch exports by its compiler')
def test_exported_recurrent_networks_are_one_operation():
    program = torch.export.export(awake(), (frames(2),), strict=False)
    operations = [node.target for node in program.graph.nodes if node.op == 'call_function']
    assert operations.count(torch.ops.aten.gru.input) == 1 + 4  # the one of the regions and those of the graph
    assert not any('sigmoid' in str(operation) or 'autocast' in str(operation) for operation in operations)


@pytest.mark.slow
@pytest.mark.parametrize('parts', [{}, LITE])
def test_dynamo_trace_computes_the_same(parts):
    model = awake(**parts)
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    for clips in (2, 1, 3):
        torch.testing.assert_close(compiled(frames(clips)), model(frames(clips)))


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ('c++', 'g++', 'clang++', 'cl'))), reason='no C++ compiler')
def test_compiled_module_computes_and_learns_the_same():
    torch.manual_seed(0)
    # two frames and one round of messages, because compiled code unrolls both
    plugin = dict(PLUGIN, after='second', graph=dict(type='SpaceTimeGraph', num_rounds=1))
    model = toy(plugin, frames=2, size=SIZE).eval()
    wake(model.plugins)
    compiled = torch.compile(model)
    grads = []
    for module in (model, compiled):
        model.zero_grad()
        y = module(frames(2))
        y.square().sum().backward()
        grads.append([y.detach(), *(parameter.grad for parameter in model.parameters())])
    for eager, given in zip(*grads, strict=True):
        torch.testing.assert_close(given, eager, rtol=1e-3, atol=1e-5)


def run_onnx(path, x):
    session = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed').InferenceSession(
        path, providers=['CPUExecutionProvider']
    )
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


def check_onnx(model, path, clips):
    with torch.no_grad():
        np.testing.assert_allclose(run_onnx(path, frames(clips)), model(frames(clips)), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('parts', [{}, LITE])
def test_onnx_by_tracing(parts, tmp_path):
    pytest.importorskip('onnx', reason='onnx is not installed')
    model, path = awake(**parts), str(tmp_path / 'model.onnx')
    torch.onnx.export(model, (frames(2),), path, dynamo=False)
    check_onnx(model, path, 2)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_onnx_by_dynamo_for_any_number_of_clips(tmp_path):
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    model, path = awake(), str(tmp_path / 'model.onnx')
    shapes = ({0: 4 * torch.export.Dim('clips')},)
    torch.onnx.export(model, (frames(2),), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    for clips in (2, 3):
        check_onnx(model, path, clips)
