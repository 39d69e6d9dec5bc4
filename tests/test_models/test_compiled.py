"""Recognizers, backbone and head, as one graph of torch.compile."""

import shutil

import pytest
import torch
from backbone_cases import CASES, PLUGIN, build, inputs, wake
from torch._dynamo.testing import CompileCounter

import dyreg_mmaction

NAMES = {
    'ResNet': 'RegionRecognizer2D',
    'TSM-R18': 'RegionRecognizer2D',
    'TSM-R50': 'Recognizer2D',
    'I3D-R50': 'RegionRecognizer3D',
}


def awake(name, training, monkeypatch, plugins=True):
    """Return a deterministic recognizer with residuals that are not 0."""
    monkeypatch.setitem(CASES, name, CASES[name]._replace(recognizer=NAMES[name]))
    model = build(name, plugins, **(dict(num_segments='batch') if name == 'ResNet' else {})).train(training)
    wake(model.backbone.plugins)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    return model


def logits_and_gradients(module, model, x):
    with torch.set_grad_enabled(model.training):
        logits = module(x, stage='head')
    if not model.training:
        return logits, []
    model.zero_grad()
    logits.square().sum().backward()
    return logits.detach(), [parameter.grad for parameter in model.parameters()]


def check_against_eager(compiled, model, x, rtol):
    (given, gradients), (expected, right) = (logits_and_gradients(module, model, x) for module in (compiled, model))
    torch.testing.assert_close(given, expected, rtol=rtol, atol=rtol * expected.abs().max().item())
    atol = rtol * max((gradient.abs().max().item() for gradient in right), default=0)  # some are zero but for rounding
    torch.testing.assert_close(gradients, right, rtol=10 * rtol, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize('name, training', [('ResNet', True), ('TSM-R18', True), ('TSM-R50', False), ('I3D-R50', True)])
def test_model_is_one_graph_compiled_once(name, training, monkeypatch):
    torch._dynamo.reset()
    model = awake(name, training, monkeypatch).double()  # rounding grows through 50 norms of a few numbers each
    counter = CompileCounter()
    compiled = torch.compile(model, backend=counter, fullgraph=True)  # a graph break would raise
    for seed in range(3):
        check_against_eager(compiled, model, inputs(name, 2, seed).double(), rtol=1e-6)
    assert counter.frame_count == 1


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ('c++', 'g++', 'clang++', 'cl'))), reason='no C++ compiler')
def test_compiled_model_gives_the_same_logits(monkeypatch):
    torch._dynamo.reset()
    # one round of messages, because compiled code unrolls the rounds
    plugin = dict(PLUGIN, after='layer2.1.conv2.conv', graph=dict(type='SpaceTimeGraph', num_rounds=1))
    model = awake('TSM-R18', False, monkeypatch, [plugin])
    check_against_eager(torch.compile(model, fullgraph=True), model, inputs('TSM-R18', 2), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-4), (torch.bfloat16, 5e-2)])
@pytest.mark.parametrize('name', ['TSM-R18', 'I3D-R50'])
def test_fused_model_is_one_graph(name, dtype, tolerance, monkeypatch):
    torch._dynamo.reset()
    model = dyreg_mmaction.fuse_for_inference(awake(name, False, monkeypatch), dtype)
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    check_against_eager(compiled, model, inputs(name, 2), rtol=tolerance)
