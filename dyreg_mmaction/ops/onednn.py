"""Availability of oneDNN's operators. Called directly, they lack PyTorch's fallbacks for unsupported CPUs."""

import functools

import torch


def has_onednn(dtype: torch.dtype = torch.float32) -> bool:
    """Return whether oneDNN is built in, enabled, and has kernels of this dtype for this CPU.

    Kernels for bfloat16 and float16 require AVX512 on x86 processors or the corresponding extensions on ARM.
    """
    return bool(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled) and _has_kernels(dtype)


@functools.cache
def _has_kernels(dtype: torch.dtype) -> bool:
    if dtype == torch.float32:
        return True
    name = {torch.bfloat16: '_is_mkldnn_bf16_supported', torch.float16: '_is_mkldnn_fp16_supported'}.get(dtype)
    return name is not None and hasattr(torch.ops.mkldnn, name) and getattr(torch.ops.mkldnn, name)()
