"""Compilers and tracers record operations, and want plain ones."""

import torch


def is_traced() -> bool:
    """Whether a compiler (torch.compile, torch.export) or the tracer of TorchScript and its ONNX exporter looks on."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
