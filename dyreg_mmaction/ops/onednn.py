"""Which of oneDNN's operators this machine runs; called directly they have none of PyTorch's fallbacks."""

import functools

import torch


def has_onednn(dtype: torch.dtype = torch.float32) -> bool:
    """Whether oneDNN is built in, switched on, and has kernels of this type for this CPU.

    Those of bfloat16 and float16 need AVX512 on x86 processors, or extensions of ARM's.
    """
    return bool(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled) and _has_kernels(dtype)


@functools.cache
def _has_kernels(dtype: torch.dtype) -> bool:
    if dtype == torch.float32:
        return True
    name = {torch.bfloat16: '_is_mkldnn_bf16_supported', torch.float16: '_is_mkldnn_fp16_supported'}.get(dtype)
    return name is not None and hasattr(torch.ops.mkldnn, name) and getattr(torch.ops.mkldnn, name)()
