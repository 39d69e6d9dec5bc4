"""Compilers and tracers record operations, and want plain ones.

Five files (``linear``, ``messages``, ``recurrence``, ``shift``, ``models/node_rnn``) therefore have an implementation
for eager calls and one of plain operations. A ``torch.library.custom_op`` in place of both would get into exported
files: ``torch.export.load`` raises an error where this package is not imported, and the ONNX exporter has no function
for it.
"""

import torch


def is_traced() -> bool:
    """Whether a compiler (torch.compile, torch.export) or the tracer of TorchScript and its ONNX exporter looks on."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
