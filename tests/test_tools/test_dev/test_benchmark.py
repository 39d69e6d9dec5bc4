"""Models compared by tools/dev/benchmark.py compute the same output."""

import runpy
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from dyreg_mmaction.models import DyRegGNN

TOOLS = Path(__file__).parents[3] / 'tools/dev'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return runpy.run_path(str(TOOLS / 'benchmark.py'))


@pytest.mark.parametrize('channels, side', [(128, 28), (256, 14), (512, 7)])
def test_module_is_compared_with_its_own_equations(tool, channels, side):
    cases = tool['module'](channels, side, False, Namespace(batch=1))
    x = torch.randn(16, channels, side, side)
    plain, ours = (case.args[0](x) - x for case in cases.values())
    assert plain.abs().max() > 1e-3
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5 * plain.abs().max().item())


def test_scaling_starts_with_the_papers_module(tool):
    cases = tool['scaling'](Namespace(batch=1))
    assert next(iter(cases)) == '9 nodes, 16 frames of 224' and len(cases) == 8


def test_transformers_with_and_without_a_module_start_equal(tool):
    plain, plugged = (case.args[0] for case in tool['transformer'](False, Namespace(batch=1, size=32)).values())
    x = torch.randn(1, 3, 16, 32, 32)
    assert list(plugged.plugins) == ['blocks-7'] and not plain.plugins
    with torch.no_grad():
        assert torch.equal(plugged(x), plain(x))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_cuda_graph_computes_the_same(tool):
    module = DyRegGNN(128, 28).cuda().eval()
    torch.nn.init.normal_(module.norm.weight)
    x, y = torch.randn(1, 128, 16, 28, 28, device='cuda'), torch.empty(1, 128, 16, 28, 28, device='cuda')
    replay = tool['as_cuda_graph'](torch.inference_mode()(lambda: y.copy_(module(x))))
    x.normal_()
    replay()
    with torch.inference_mode():
        torch.testing.assert_close(y, module(x))
