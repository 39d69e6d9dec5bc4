"""Detection of compilers and tracers, which require plain operations.

Five files (``linear``, ``messages``, ``recurrence``, ``shift``, ``models/node_rnn``) therefore have an implementation
for eager mode and one of plain operations. A ``torch.library.custom_op`` cannot replace both: ``torch.export.load``
raises an error if this package is not imported, and the ONNX exporter has no function for it.
"""

import torch


def is_traced() -> bool:
    """Return whether a compiler (torch.compile, torch.export) or the TorchScript tracer (ONNX export) is active."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
