"""When oneDNN's operators are called."""

import pytest
import torch

from dyreg_mmaction.ops import has_onednn, linear

needs = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='PyTorch is built without oneDNN')


@needs
def test_supported_dtypes_are_those_of_pytorch():
    assert has_onednn(torch.float32) and not has_onednn(torch.float64)
    assert has_onednn(torch.bfloat16) == torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert has_onednn(torch.float16) == torch.ops.mkldnn._is_mkldnn_fp16_supported()


@needs
def test_disabled_onednn_is_not_called():
    x, weight = torch.randn(1024, 64), torch.randn(64, 64)
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), torch.profiler.profile() as profile:
        assert not has_onednn()
        linear(x, weight)
    assert not any(event.name.startswith('mkldnn::') for event in profile.events())
